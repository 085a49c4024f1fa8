"""The paper's numbers as it prints them, from tables/paper/*.csv."""

import csv
import re
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.files import ROOT
from atop.experiment import config, tables
from atop.experiment.cells import VICTIMS

FOLDER = ROOT / "tables" / "paper"


def file(table: str) -> Path:
    """Where a table's printed numbers lie, if the paper has the table."""
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


def quote(*, table: str, row: str, column: str, preset: str) -> str:
    """A printed number and what it is: "84.38 (Table 7, PGD-1000, on the bare classifier)".

    A table without a file in workflow/config/tables has no words for its columns, only keys.

    Raises:
        AtopError: the paper prints no such number.
    """
    printed = numbers(table)
    if (row, column) not in printed:
        rows = ", ".join(dict.fromkeys(row for row, _ in printed))
        columns = ", ".join(dict.fromkeys(column for _, column in printed))
        raise AtopError(
            f"{file(table)}: no number in row '{row}', column '{column}'; "
            f"known are rows {rows or 'none'} and columns {columns or 'none'}"
        )
    made = tables.table(table, preset) if table in config.tables() else None
    words = [column] if made is None else _column_words(made.column(column))
    return f"{printed[row, column]['value']} ({', '.join([title(table), *words])})"


def _column_words(column: tables.Column) -> list[str]:
    """A column's label and what its attack differentiates; for clean pictures the label alone."""
    clean = tables.are_clean(column.listed)
    return [column.label] if clean else [column.label, f"on {VICTIMS[column.target]}"]
