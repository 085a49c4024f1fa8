"""Tables of made-up records, aggregated: their lines and their own findings."""

from pathlib import Path
from typing import Any

import pandas as pd

from atop.reporting.aggregate import Aggregate, aggregate
from support.synthetic_records import write_records, write_strict


def made(tmp_path: Path, preset: str = "paper", **changes: Any) -> Aggregate:
    """Table 7, of records that are changed by row."""
    seven = write_records(tmp_path / "results", preset, **changes)
    return aggregate(table=seven, results=tmp_path / "results")


def line(whole: Aggregate, row: str, column: str) -> "pd.Series[Any]":
    """A number of a table with all that stands beside it."""
    frame = whole.frame
    return frame[(frame["row"] == row) & (frame["column"] == column)].iloc[0]


EVERYWHERE = ("not-in-regime", "stochasticity-carries-robustness", "metrics-disagree")
"""Findings that made-up records have anyway; other tests are about them."""


def own(whole: Aggregate) -> list[dict[str, Any]]:
    """Its findings but for EVERYWHERE."""
    return [finding for finding in whole.findings if finding["name"] not in EVERYWHERE]


def names(whole: Aggregate) -> list[str]:
    """The names of these."""
    return [finding["name"] for finding in own(whole)]


def strict(tmp_path: Path, preset: str = "paper", **changes: Any) -> Aggregate:
    """The strict table, of records that are changed by row."""
    made = write_strict(tmp_path / "results", preset, **changes)
    return aggregate(table=made, results=tmp_path / "results")
