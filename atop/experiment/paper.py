"""The authors' numbers as they print them, from tables/paper/*.csv."""

import csv
import re
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.files import ROOT
from atop.experiment import config, tables
from atop.experiment.cells import TARGETS
from atop.experiment.presets import Preset
from atop.experiment.settings.tables import Quotation

FOLDER = ROOT / "tables" / "paper"
SOURCES = {
    "public_review": "the authors' answers to the reviewers, November 2023, "
    "openreview.net/forum?id=u7559ZMvwY; n is unknown where none is named"
}
"""Files of printed numbers that are no table of the paper. Their column `about` has the protocol
and the target of each number."""


def file(table: str) -> Path:
    """The file of a table's printed numbers, if the paper has the table."""
    return FOLDER / f"{table}.csv"


def numbers(table: str) -> dict[tuple[str, str], dict[str, str]]:
    """The paper's numbers by (row, column), as text; empty for a table that the paper lacks."""
    path = file(table)
    if not path.exists():
        return {}
    with path.open(newline="") as lines:
        return {(line["row"], line["column"]): line for line in csv.DictReader(lines)}


def title(name: str) -> str:
    """Table 7 for the name table7, Strict for strict."""
    match = re.fullmatch(r"(table|figure)(\d+)", name)
    return f"{match[1].capitalize()} {match[2]}" if match else name.replace("_", " ").capitalize()


def quote(quotation: Quotation, preset: Preset) -> str:
    """A printed number and its source: "84.38 (Table 7, PGD-1000, on the bare classifier)".

    Without a file in workflow/config/tables, columns have no labels: the CSV's `about` replaces
    them, or the column's key.

    Raises:
        AtopError: the paper prints no such number.
    """
    name, row, key = quotation.table, quotation.row, quotation.column
    printed = numbers(name)
    if (row, key) not in printed:
        rows = ", ".join(dict.fromkeys(row for row, _ in printed))
        columns = ", ".join(dict.fromkeys(column for _, column in printed))
        raise AtopError(
            f"{file(name)}: no number in row '{row}', column '{key}'; "
            f"known are rows {rows or 'none'} and columns {columns or 'none'}"
        )
    labels = [printed[row, key].get("about") or key]
    if name in config.tables():
        labels = _labels(tables.table(name, preset).column(key))
    return f"{printed[row, key]['value']} ({', '.join([title(name), *labels])})"


def _labels(column: tables.Column) -> list[str]:
    """A column's label and the target of its attack; for clean images the label alone."""
    clean = tables.are_clean(column.listed)
    return [column.label] if clean else [column.label, f"on {TARGETS[column.target]}"]
