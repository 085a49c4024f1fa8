"""What the templates of a table see: plain text and numbers already written out, no markup."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import ceil
from typing import Any

import pandas as pd

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.paper import numbers, quote, title
from atop.experiment.tables import Column, Row, Table
from atop.reporting import attack_budgets, differences, latex_floats, notes
from atop.reporting.aggregate import Aggregate, row_name
from atop.reporting.figures import bar_layout
from atop.results import pairs, regime

WIDTH = 6
"""So many columns stand side by side; more continue below."""
ROBUSTNESS = (
    "Robustness: the gain under the attack minus the gain on clean images, with its 95% interval "
    "over the same examples. At 0, accuracy alone rises; where the attack leaves both rows next to "
    "nothing, it is minus the gain on clean images."
)
PRINTED = "Paper: the same of the numbers that the paper prints."
METRICS = (
    "Majority, all: the difference by these metrics, where they decide otherwise than the mean "
    "over draws which row is higher."
)


def view(whole: Aggregate) -> Dict:
    """All that a page or a LaTeX table shows."""
    table, printed = whole.table, bool(numbers(whole.table.name))
    footnotes: dict[str, int] = {}
    page: Dict = {
        "name": title(table.name),
        "again": printed,
        "spread": bool(whole.frame["draw_sd"].notna().any()),
        "repeats": bool((whole.frame["repeats"] != "").any()),
        "key": f"{table.name}-{table.preset}",
        "preset": notes.preset(table),
        "title": table.spec["title"],
        "caption": table.spec.get("caption", "").strip(),
        "summary": differences.summary(whole),
        "labels": table.spec["labels"],
        "quotes": bool(table.quoted()),
        "panels": [_panel(whole, columns, footnotes) for columns in panels(table.columns)],
        "bars": bar_layout.bars(table, whole.frame) if table.spec.get("figure") else None,
        "footnotes": [(number, reason) for reason, number in footnotes.items()],
        "notes": notes.notes(whole),
        "budgets": notes.attacks(whole),
        "pairs": _pairs(whole),
        "pair_notes": _pair_notes(whole.pairs),
        "findings": notes.findings(whole),
        "deviations": whole.deviations,
        "provenance": notes.provenance(whole.records.values()),
    }
    return page | {
        "floats": latex_floats.of_table(page),
        "pair_floats": latex_floats.of_pairs(page),
    }


def panels(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Columns that stand side by side: at most WIDTH, about evenly, each curve by itself."""
    for _, run in groupby(columns, key=lambda column: column.curve):
        together = list(run)
        width = ceil(len(together) / ceil(len(together) / WIDTH))
        for first in range(0, len(together), width):
            yield together[first : first + width]


def _panel(whole: Aggregate, columns: list[Column], footnotes: dict[str, int]) -> Dict:
    """Some columns of all rows, under their headers."""
    frame = whole.frame.set_index(["row", "column"])
    blocks = []
    lacks = ", not in the paper" if numbers(whole.table.name) else ""
    parts = (
        ("", (False, False)),
        (f"Controls{lacks}", (True, False)),
        (f"More rows{lacks}", (True, True)),
    )
    for heading, part in parts:
        rows = [
            {
                "labels": _labels(whole, row),
                "quotes": [quote(**one, preset=whole.table.preset) for one in row.printed],
                "cells": [_cell(frame.loc[row.key, one.key], footnotes) for one in columns],
            }
            for row in whole.table.rows
            if (row.control, row.extra) == part
        ]
        if rows:
            blocks.append({"heading": heading, "rows": rows})
    return {"columns": [_header(whole, column) for column in columns], "blocks": blocks}


def _labels(whole: Aggregate, row: Row) -> list[list[str]]:
    """Lines under each heading; the first says what stands in for the network or data it names."""
    first, *others = ([label] for label in row.labels)
    stand_ins = whole.table.stand_ins(row)
    return [first + ([f"here {', '.join(stand_ins)}"] if stand_ins else []), *others]


def _cell(line: Any, footnotes: dict[str, int]) -> Dict:
    """One cell: texts, empty where there is nothing to say, and the number of its footnote."""
    cell = {"paper": line["paper"], "verdict": line["verdict"], "note": None}
    cell |= {"value": "", "interval": "", "sd": "", "repeats": "", "difference": ""}
    if pd.isna(line["measured"]):
        cell["note"] = footnotes.setdefault(line["reason"], len(footnotes) + 1)
        return cell
    cell["value"] = notes.plain(line["measured"])
    cell["interval"] = notes.interval(line["low"], line["high"])
    if not pd.isna(line["draw_sd"]):
        cell["sd"] = f"sd {notes.plain(line['draw_sd'])}"
    if line["repeats"]:
        cell["repeats"] = f"repeats {line['repeats']}"
    if line["paper"]:
        cell["difference"] = notes.signed(line["difference"])
    return cell


def _header(whole: Aggregate, column: Column) -> list[str]:
    """Its label, its ball, where that is measured, and what a preset scaled down, as run."""
    run = attack_budgets.as_run(whole.table, column, whole.records.values())
    attacks = [budget for budget in run.values() if budget["method"] != "clean"]
    shown = attacks or list(run.values())
    lines = [
        column.label,
        _one({attack_budgets.ball(budget) for budget in shown}),
        _one(_sizes(whole.table, column, shown)),
        *_scaled(whole.table, column, shown),
    ]
    return [line for line in lines if line]


def _one(words: set[str]) -> str:
    """What all agree on, if they do."""
    return next(iter(words)) if len(words) == 1 else ""


def _sizes(table: Table, column: Column, run: list[Dict]) -> set[str]:
    """Side lengths of what a column's attackers hand in, if any attack of the table names one."""
    names = {config.entry(entry, "")[0] for column in table.columns for entry in column.listed}
    if not any(config.attack(name, table.preset).get("pixels") for name in names):
        return set()
    cells = [cell for row in table.rows if (cell := table.cell(row, column))]
    rows = config.read("datasets")
    own = {rows[cell.dataset]["pixels"] for cell in cells if cell.dataset in rows}
    native = next(iter(own)) if len(own) == 1 else "native"
    usual = {config.sizes(table.preset, cell)["input"] for cell in cells}
    sizes = set().union(*({budget["pixels"]} if budget.get("pixels") else usual for budget in run))
    return {attack_budgets.size({"pixels": native if size == "native" else size}) for size in sizes}


def _scaled(table: Table, column: Column, run: list[Dict]) -> list[str]:
    """What a preset changed: in figures for one attack, in a word for several."""
    if len(run) == 1 and len(config.chain(run[0], table.preset)) == 1:
        changes = attack_budgets.changes(run[0])
    else:
        fewer = bool(run and column.left_out)
        changes = attack_budgets.reduced(run, table.preset, fewer=fewer)
    return [f"here {words}" for words in changes]


def _pairs(whole: Aggregate) -> list[Dict]:
    """Paired comparisons: some columns, and rows of two names and a cell per column."""
    keys = ["first", "second", "column"]
    cells = {
        tuple(line[key] for key in keys): _pair(whole, line) for _, line in whole.pairs.iterrows()
    }
    return [
        {
            "columns": [column.label for column in columns],
            "rows": [
                {
                    "first": row_name(whole.table, whole.table.row(first)),
                    "second": row_name(whole.table, whole.table.row(second)),
                    "cells": [cells[first, second, one.key] for one in columns],
                }
                for first, second in whole.table.pairs
            ],
        }
        for columns in (panels(whole.table.columns) if cells else [])
    ]


def _in_regime(whole: Aggregate, line: Any) -> bool:
    """Whether a pair may compare AToP with the row without it."""
    column = whole.table.column(line["column"])
    cells = [whole.table.cell(whole.table.row(line[key]), column) for key in ("first", "second")]
    return not regime.compares(whole.groups, *cells)


def _pair(whole: Aggregate, line: Any) -> Dict:
    """One cell: its texts, and `more` of them, each in parts that may stand below one another."""
    if line["reason"]:
        return {"value": line["reason"], "interval": "", "p": "", "more": []}
    more = []
    if not pd.isna(line["beyond"]):
        said = line["paper_beyond"]
        paper = [] if pd.isna(said) else [f"(paper {notes.signed(said)})"]
        more.append([*_named("robustness", line, "beyond"), *paper])
    if pairs.disagree(line):
        more += [_named(metric, line, metric) for metric in pairs.OTHERS]
    if not _in_regime(whole, line):
        more.append(["not in regime"])
    return {
        "value": notes.signed(line["difference"]),
        "interval": notes.interval(line["low"], line["high"]),
        "p": notes.p_value(line["p"]),
        "more": more,
    }


def _named(words: str, line: Any, name: str) -> list[str]:
    value, interval = notes.estimate(line, name)
    return [f"{words} {value}", interval]


def _pair_notes(frame: pd.DataFrame) -> list[str]:
    """What more the cells of the pairs say, a sentence each; none of what no cell says."""
    notes_if = (
        (ROBUSTNESS, frame["beyond"].notna().any()),
        (PRINTED, frame["paper_beyond"].notna().any()),
        (METRICS, any(map(pairs.disagree, frame.to_dict("records")))),
    )
    return [note for note, said in notes_if if said]
