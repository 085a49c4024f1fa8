"""Pairs of a table's rows compared on the same examples."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from atop.core import stats
from atop.core.values import Dict
from atop.experiment.paper import numbers
from atop.experiment.presets import Preset
from atop.experiment.tables import Column, Table
from atop.results.checks.reading import NO_ATTACKS
from atop.results.records import Records, correct, lacking

OTHERS = ("majority", "all")
"""Metrics that also compare two rows where the column's metric is the mean over several draws."""
# fmt: off
COLUMNS = [
    "first", "second", "column", "column_label", "n", "difference", "low", "high", "p",
    "beyond", "beyond_low", "beyond_high", "paper_beyond",
    *(f"{metric}{end}" for metric in OTHERS for end in ("", "_low", "_high")), "reason",
]
# fmt: on


def compare(table: Table, records: Records) -> Iterator[Dict]:
    """Yield a line of COLUMNS for each pair of a table in each of its columns.

    `difference` is the first row minus the second, in points. `beyond` is this difference minus
    the one on clean images, of attacks only (stats.difference_of_differences); `paper_beyond` is
    the same of printed numbers. `majority` and `all` are the difference by these metrics.
    """
    for first, second in table.pairs:
        for column in table.columns:
            paths = (table.record(table.row(key), column) for key in (first, second))
            pair = [records[path] for path in paths if path and path in records]
            line: Dict = {"first": first, "second": second}
            line |= {"column": column.key, "column_label": column.label, "reason": ""}
            if len(pair) < 2 or any(lacking(record, column) for record in pair):
                line["reason"] = "not run"
            elif any(pair[0][key] != pair[1][key] for key in ("indices", "labels")):
                line["reason"] = "measured on different examples"
            else:
                line |= {"n": pair[0]["n"], **_difference(pair, column)}
                line |= _beyond(table, pair, column)
                line["paper_beyond"] = paper_beyond(table, first, second, column)
            yield line


def paper_beyond(table: Table, first: str, second: str, column: Column) -> float | None:
    """Return the printed difference of differences of two rows; None unless all four are there."""
    start, printed = clean(column, table.preset), numbers(table.name)
    for other in table.columns if start else ():
        shown = ("entries", "metric", "cell")
        equal = all(getattr(other, key) == getattr(start, key) for key in shown)
        keys = [(row, c.key) for c in (column, other) for row in (first, second)]
        if equal and printed.keys() >= set(keys):
            values = [float(printed[key]["value"]) for key in keys]
            return (values[0] - values[1]) - (values[2] - values[3])
    return None


def clean(column: Column, preset: Preset) -> Column | None:
    """Return a column with clean images in place of its attacks; None if it has no attack.

    The images have the size at which the attacks work, if the suite has clean images of that size.
    """
    entries = preset.suite(column.suite).entries("")
    budgets = {entry.text: preset.attack(entry.attack) for entry in entries}
    attacks = [name for name in column.entries if budgets[name].method not in NO_ATTACKS]
    starts = [name for name, budget in budgets.items() if budget.clean]
    if not attacks or not starts:
        return None
    size = budgets[attacks[0]].pixels
    same_size = [name for name in starts if budgets[name].pixels == size]
    return replace(column, entries=(*same_size, *starts)[:1], left_out=())


def disagree(line: Mapping[Any, Any]) -> bool:
    """Return whether the metrics of a line decide differently which row is higher."""
    return len(set(decisions(line).values())) > 1


def decisions(line: Mapping[Any, Any]) -> dict[str, str]:
    """Return what the mean over draws and OTHERS decide: above 0, below 0 or undecided.

    Empty where a single metric was computed.
    """
    if pd.isna(line.get(OTHERS[0])):
        return {}
    intervals = {"mean": (line["low"], line["high"])}
    intervals |= {metric: (line[f"{metric}_low"], line[f"{metric}_high"]) for metric in OTHERS}
    return {
        metric: "above 0" if low > 0 else "below 0" if high < 0 else "undecided"
        for metric, (low, high) in intervals.items()
    }


def findings(lines: list[Dict]) -> Iterator[Dict]:
    """Yield a finding for each pair and each way in which metrics disagree, with its columns."""
    labels: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for line in lines:
        if disagree(line):
            decided = (f"{decision} by {metric}" for metric, decision in decisions(line).items())
            labels[line["first"], line["second"], ", ".join(decided)].append(line["column_label"])
    for (first, second, decided_by), columns in labels.items():
        text = f"{'; '.join(columns)}: the first row minus the second is {decided_by}"
        yield {"name": "metrics-disagree", "text": text, "rows": [first, second]}


def _difference(pair: list[Dict], column: Column) -> Dict:
    """The difference by the column's metric and, of means over several draws, by OTHERS."""
    first, second = (correct(record, column) for record in pair)
    gap = stats.paired(first, second)
    line: Dict = {"difference": gap.value, "low": gap.low, "high": gap.high, "p": gap.p}
    if column.metric == "mean" and len(first) > 1:
        for metric in OTHERS:
            by = replace(column, metric=metric)
            gap = stats.paired(*(correct(record, by) for record in pair))
            line |= {metric: gap.value, f"{metric}_low": gap.low, f"{metric}_high": gap.high}
    return line


def _beyond(table: Table, pair: list[Dict], column: Column) -> Dict:
    start = clean(column, table.preset)
    if start is None or any(lacking(record, start) for record in pair):
        return {}
    first, second = pair
    attacked, unattacked = ((correct(first, c), correct(second, c)) for c in (column, start))
    gap = stats.difference_of_differences(attacked, unattacked)
    return {"beyond": gap.value, "beyond_low": gap.low, "beyond_high": gap.high}
