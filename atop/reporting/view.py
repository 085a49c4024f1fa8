"""Values for the templates of a table: plain text and formatted numbers, without markup."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from math import ceil
from typing import Any

import pandas as pd

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.paper import numbers, quote, title
from atop.experiment.settings.attacks import AttackSpec, parse_entry
from atop.experiment.tables import Column, Row, Table
from atop.reporting import attack_budgets, differences, notes
from atop.reporting.aggregate import Aggregate, row_name
from atop.results import pairs, regime

WIDTH = 6
"""Number of columns side by side; further columns are in a panel below."""
ROBUSTNESS = (
    "Robustness: the gain under the attack minus the gain on clean images, with its 95% interval "
    "over the same examples. At 0, accuracy rises by the same amount with and without the attack. "
    "Where the attack leaves both rows almost no accuracy, robustness is minus the gain on clean "
    "images."
)
PRINTED = "Paper: the same difference between the numbers that the paper prints."
METRICS = (
    "Majority, all: the difference by these metrics, shown where they disagree with the mean over "
    "draws about which row is higher."
)


def view(aggregate: Aggregate) -> Dict:
    """Return everything that a page or a LaTeX table shows."""
    table, frame = aggregate.table, aggregate.frame
    footnotes: dict[str, int] = {}
    return {
        "name": title(table.name),
        "again": bool(numbers(table.name)),
        "spread": bool(frame["draw_sd"].notna().any()),
        "repeats": bool((frame["repeats"] != "").any()),
        "key": f"{table.name}-{table.preset}",
        "preset": notes.preset(table),
        "title": table.spec.title,
        "caption": (table.spec.caption or "").strip(),
        "summary": differences.summary(aggregate),
        "labels": table.spec.labels,
        "quotes": bool(table.quoted()),
        "panels": [_panel(aggregate, columns, footnotes) for columns in panels(table.columns)],
        "drawing": f"{table.name}.pdf" if table.spec.figure else "",
        "footnotes": [(number, reason) for reason, number in footnotes.items()],
        "notes": notes.notes(aggregate),
        "budgets": notes.attacks(aggregate),
        "pairs": _pairs(aggregate),
        "pair_notes": _pair_notes(aggregate.pairs),
        "findings": notes.findings(aggregate),
        "deviations": aggregate.deviations,
        "provenance": notes.provenance(aggregate.records.values()),
    }


def panels(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Yield columns to show side by side: at most WIDTH, of similar counts, each curve apart."""
    for _, group in groupby(columns, key=lambda column: column.curve):
        together = list(group)
        width = ceil(len(together) / ceil(len(together) / WIDTH))
        for first in range(0, len(together), width):
            yield together[first : first + width]


def _panel(aggregate: Aggregate, columns: list[Column], footnotes: dict[str, int]) -> Dict:
    """Return some columns of all rows, with their headers."""
    table, frame = aggregate.table, aggregate.frame.set_index(["row", "column"])
    suffix = ", not in the paper" if numbers(table.name) else ""
    kinds = {
        (False, False): "",
        (True, False): f"Controls{suffix}",
        (True, True): f"More rows{suffix}",
    }
    blocks = []
    for kind, heading in kinds.items():
        rows = [
            {
                "labels": _labels(table, row),
                "quotes": [quote(printed, table.preset) for printed in row.printed],
                "cells": [_cell(frame.loc[row.key, column.key], footnotes) for column in columns],
            }
            for row in table.rows
            if (row.control, row.extra) == kind
        ]
        if rows:
            blocks.append({"heading": heading, "rows": rows})
    return {"columns": [_header(aggregate, column) for column in columns], "blocks": blocks}


def _labels(table: Table, row: Row) -> list[list[str]]:
    """Return the lines under each heading; the first has substituted names and an n of its own."""
    first, *others = ([label] for label in row.labels)
    changes = [*table.substitutes(row), *_fewer_images(table, row)]
    return [first + ([f"here {', '.join(changes)}"] if changes else []), *others]


def _fewer_images(table: Table, row: Row) -> list[str]:
    """Return the number of images of a row that the preset evaluates on fewer than others."""
    evaluated, fewer = table.preset.evaluated, set[int]()
    for column in table.columns:
        cell = table.cell(row, column)
        if cell and cell.transform in table.preset.settings.evaluation.overrides:
            n, usual = (
                evaluated(column.suite, each, column.target)
                for each in (cell, replace(cell, transform="none"))
            )
            fewer |= {n} - {usual}
    return [f"{n} images" for n in sorted(fewer)]


def _cell(line: Any, footnotes: dict[str, int]) -> Dict:
    """Return the texts of a cell, empty where it has none, and the number of its footnote."""
    cell = {"paper": line["paper"], "verdict": line["verdict"], "note": None}
    cell |= {"value": "", "interval": "", "sd": "", "repeats": "", "difference": ""}
    if pd.isna(line["measured"]):
        return cell | {"note": footnotes.setdefault(line["reason"], len(footnotes) + 1)}
    cell["value"] = notes.plain(line["measured"])
    cell["interval"] = notes.interval(line["low"], line["high"])
    if not pd.isna(line["draw_sd"]):
        cell["sd"] = f"sd {notes.plain(line['draw_sd'])}"
    if line["repeats"]:
        cell["repeats"] = f"repeats {line['repeats']}"
    if line["paper"]:
        cell["difference"] = notes.signed(line["difference"])
    return cell


def _header(aggregate: Aggregate, column: Column) -> list[str]:
    """Return a column's label, ball, image size and the values that a preset changed."""
    table = aggregate.table
    budgets = attack_budgets.as_run(table, column, aggregate.records.values()).values()
    attacks = [budget for budget in budgets if not budget.clean] or list(budgets)
    lines = [
        column.label,
        _shared({attack_budgets.ball(budget) for budget in attacks}),
        _shared(_sizes(table, column, attacks)),
        *_scaled(table, column, attacks),
    ]
    return [line for line in lines if line]


def _shared(texts: set[str]) -> str:
    """Return the only text; empty if there are several."""
    return next(iter(texts)) if len(texts) == 1 else ""


def _sizes(table: Table, column: Column, budgets: list[AttackSpec]) -> set[str]:
    """Return the image sizes of a column's attacks; none if no attack of the table sets one."""
    preset, listed = table.preset, {entry for column in table.columns for entry in column.listed}
    if not any(preset.attack(parse_entry(entry, "").attack).pixels for entry in listed):
        return set()
    cells = [cell for row in table.rows if (cell := table.cell(row, column))]
    datasets = config.datasets()
    native = {datasets[cell.dataset].pixels for cell in cells if cell.dataset in datasets}
    default = {preset.sizes(cell).input for cell in cells}
    own = (budget.pixels for budget in budgets)
    sizes: set[int | str] = set()
    sizes = sizes.union(*({pixels} if pixels else default for pixels in own))
    if "native" in sizes and len(native) == 1:
        sizes = sizes - {"native"} | native
    return {attack_budgets.size_text(pixels) for pixels in sizes}


def _scaled(table: Table, column: Column, budgets: list[AttackSpec]) -> list[str]:
    """Describe a preset's changes: the values of one attack, "scaled down" for several."""
    if len(budgets) == 1 and len(table.preset.chain(budgets[0])) == 1:
        changes = attack_budgets.changes(budgets[0])
    else:
        fewer = bool(budgets and column.left_out)
        changes = attack_budgets.reduced(budgets, table.preset, fewer=fewer)
    return [f"here {change}" for change in changes]


def _pairs(aggregate: Aggregate) -> list[Dict]:
    """Return the paired comparisons by panel: columns, and rows of two names and a cell each."""
    table = aggregate.table
    lines = aggregate.pairs.to_dict("records")
    cells = {
        (line["first"], line["second"], line["column"]): _pair(aggregate, line) for line in lines
    }
    return [
        {
            "columns": [column.label for column in columns],
            "rows": [
                {
                    "first": row_name(table, table.row(first)),
                    "second": row_name(table, table.row(second)),
                    "cells": [cells[first, second, column.key] for column in columns],
                }
                for first, second in table.pairs
            ],
        }
        for columns in (panels(table.columns) if cells else [])
    ]


def _pair(aggregate: Aggregate, line: Any) -> Dict:
    """Return the texts of a comparison; each line of `more` is a list of parts."""
    if line["reason"]:
        return {"value": line["reason"], "interval": "", "p": "", "more": []}
    more = []
    if not pd.isna(line["beyond"]):
        printed = line["paper_beyond"]
        paper = [] if pd.isna(printed) else [f"(paper {notes.signed(printed)})"]
        more.append([*_named("robustness", line, "beyond"), *paper])
    if pairs.disagree(line):
        more += [_named(metric, line, metric) for metric in pairs.OTHERS]
    table, column = aggregate.table, aggregate.table.column(line["column"])
    cells = [table.cell(table.row(line[key]), column) for key in ("first", "second")]
    if regime.compares(aggregate.groups, *cells):
        more.append(["not in regime"])
    return {
        "value": notes.signed(line["difference"]),
        "interval": notes.interval(line["low"], line["high"]),
        "p": notes.p_value(line["p"]),
        "more": more,
    }


def _named(label: str, line: Any, name: str) -> list[str]:
    value, interval = notes.estimate(line, name)
    return [f"{label} {value}", interval]


def _pair_notes(frame: pd.DataFrame) -> list[str]:
    """Return the notes that explain the cells of the comparisons."""
    occurs = {
        ROBUSTNESS: frame["beyond"].notna().any(),
        PRINTED: frame["paper_beyond"].notna().any(),
        METRICS: any(map(pairs.disagree, frame.to_dict("records"))),
    }
    return [note for note, needed in occurs.items() if needed]
