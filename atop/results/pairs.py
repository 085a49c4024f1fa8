"""Rows compared on the same examples: by how much, by which metric, whether robustness rises."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from atop.core import stats
from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.paper import numbers
from atop.experiment.tables import Column, Table
from atop.results.checks.reading import NO_ATTACKS
from atop.results.records import Records, correct, lacking

OTHERS = ("majority", "all")
"""Metrics by which a difference of means over draws is looked at again."""
# fmt: off
COLUMNS = [
    "first", "second", "column", "column_label", "n", "difference", "low", "high", "p",
    "beyond", "beyond_low", "beyond_high", "paper_beyond",
    *(f"{metric}{end}" for metric in OTHERS for end in ("", "_low", "_high")), "reason",
]
# fmt: on


def compare(table: Table, records: Records) -> Iterator[Dict]:
    """The pairs of a table, a line of COLUMNS for each and each column of the table.

    `difference` is the first row minus the second in points. `beyond` is by how much more that is
    than on clean images, of attacks only (stats.difference_of_differences), and `paper_beyond` the
    same of printed numbers. `majority` and `all` are the difference by these metrics, where the
    column's own is the mean over several draws.
    """
    for first, second in table.pairs:
        for column in table.columns:
            paths = [table.record(table.row(key), column) for key in (first, second)]
            one, other = (records.get(path) if path else None for path in paths)
            line: Dict = {"first": first, "second": second}
            line |= {"column": column.key, "column_label": column.label}
            if one is None or other is None or lacking(one, column) or lacking(other, column):
                yield line | {"reason": "not run"}
            elif (one["indices"], one["labels"]) != (other["indices"], other["labels"]):
                yield line | {"reason": "measured on other examples"}
            else:
                line |= _difference(one, other, column) | _beyond(table, one, other, column)
                line["paper_beyond"] = paper_beyond(table, first, second, column)
                yield line | {"n": one["n"], "reason": ""}


def paper_beyond(table: Table, first: str, second: str, column: Column) -> float | None:
    """The difference of differences of two rows as printed; None unless all four numbers are."""
    start, printed = clean(column, table.preset), numbers(table.name)
    for shown in table.columns if start else ():
        asked = [(row, one.key) for one in (column, shown) for row in (first, second)]
        if _same(shown, start) and printed.keys() >= set(asked):
            one, other, clean_one, clean_other = (float(printed[key]["value"]) for key in asked)
            return (one - other) - (clean_one - clean_other)
    return None


def clean(column: Column, preset: str) -> Column | None:
    """A column of attacks with clean images in their place; None for one that has no attack.

    They have the size in which the attacker hands images in, if its suite has such.
    """
    suite = config.suite(column.suite, preset).attacks
    budgets = {one: config.attack(config.entry(one, "")[0], preset) for one in suite}
    attacks = [one for one in column.entries if budgets[one]["method"] not in NO_ATTACKS]
    starts = [one for one, budget in budgets.items() if budget["method"] == "clean"]
    if not attacks or not starts:
        return None
    pixels = budgets[attacks[0]].get("pixels")
    fitting = [one for one in starts if budgets[one].get("pixels") == pixels]
    return replace(column, entries=(*fitting, *starts)[:1], left_out=())


def disagree(line: Mapping[Any, Any]) -> bool:
    """Whether the metrics of a line decide differently which row is higher."""
    return len(set(decisions(line).values())) > 1


def decisions(line: Mapping[Any, Any]) -> dict[str, str]:
    """What the mean over draws and each of OTHERS decide: above 0, below 0 or undecided.

    Empty where one metric alone was looked at.
    """
    if pd.isna(line.get(OTHERS[0])):
        return {}
    intervals = {"mean": (line["low"], line["high"])}
    intervals |= {one: (line[f"{one}_low"], line[f"{one}_high"]) for one in OTHERS}
    return {one: _decided(*interval) for one, interval in intervals.items()}


def findings(lines: list[Dict]) -> Iterator[Dict]:
    """Where metrics disagree: a finding for each pair and what they decide, with its columns."""
    found: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for line in lines:
        if disagree(line):
            told = ", ".join(f"{decided} by {one}" for one, decided in decisions(line).items())
            found[line["first"], line["second"], told].append(line["column_label"])
    for (first, second, told), columns in found.items():
        text = f"{'; '.join(columns)}: the first row minus the second is {told}"
        yield {"name": "metrics-disagree", "text": text, "rows": [first, second]}


def _decided(low: float, high: float) -> str:
    if low > 0:
        return "above 0"
    return "below 0" if high < 0 else "undecided"


def _same(one: Column, other: Column | None) -> bool:
    """Whether two columns show the same entries of the same cells by the same metric."""
    keys = ("entries", "metric", "cell")
    return all(getattr(one, key) == getattr(other, key, None) for key in keys)


def _difference(one: Dict, other: Dict, column: Column) -> Dict:
    """The difference by the column's metric and, of means over several draws, by OTHERS."""
    first, second = correct(one, column), correct(other, column)
    found = stats.paired(first, second)
    line: Dict = {"difference": found.value, "low": found.low, "high": found.high, "p": found.p}
    if column.metric == "mean" and len(first) > 1:
        for metric in OTHERS:
            by = replace(column, metric=metric)
            again = stats.paired(correct(one, by), correct(other, by))
            line |= {metric: again.value, f"{metric}_low": again.low, f"{metric}_high": again.high}
    return line


def _beyond(table: Table, one: Dict, other: Dict, column: Column) -> Dict:
    start = clean(column, table.preset)
    if start is None or lacking(one, start) or lacking(other, start):
        return {}
    attacked, unattacked = ((correct(one, c), correct(other, c)) for c in (column, start))
    found = stats.difference_of_differences(attacked, unattacked)
    return {"beyond": found.value, "beyond_low": found.low, "beyond_high": found.high}
