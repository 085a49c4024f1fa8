"""The summary shows the released numbers of each defence, and nothing that was not measured."""

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer

from atop.reporting import figures
from atop.reporting.figures import summary

CELLS = {"rt2-none": "a", "rt2-atop": "b", "no-noise": "c"}
NUMBERS: dict[str, list[tuple[str, str, float | None]]] = {
    "table7": [("rt2-none", "standard", 70.0), ("rt2-none", "pgd-1000", 40.0)],
    "strict": [
        ("rt2-none", "clean", 69.0),
        ("rt2-none", "worst", 5.0),
        ("rt2-atop", "worst", 9.0),
        ("no-noise", "clean", 33.0),
        ("no-noise", "worst", None),
    ],
}


def frames() -> dict[str, pd.DataFrame]:
    return {
        name: pd.DataFrame(
            {
                "preset": "slim", "labels": row, "cell": CELLS[row], "column": column,
                "measured": value, "low": value and value - 1, "high": value and value + 2,
                "n": 2000 if name == "table7" else 64,
            }
            for row, column, value in lines
        )
        for name, lines in NUMBERS.items()
    }  # fmt: skip


def drawn() -> tuple[Axes, list[BarContainer]]:
    """The axis and its bars, a container for each series."""
    figure = summary.figure(frames(), "slim")
    assert figure
    (axis,) = figure.axes
    return axis, [series for series in axis.containers if isinstance(series, BarContainer)]


def test_bars_are_the_numbers_of_the_tables() -> None:
    axis, containers = drawn()
    rows = [label.get_text() for label in axis.get_yticklabels()]
    assert rows == ["rt2-none", "no-noise", "rt2-atop"]
    bars = {}
    for series in containers:
        name = str(series.get_label()).split(",")[0]
        for bar in series.patches:
            row = rows[round(bar.get_y() + bar.get_height() / 2)]
            bars[name, row] = bar.get_width()
    clean, grey_box, worst = summary.SERIES
    assert bars == {
        (clean, "rt2-none"): 70.0,  # of Table 7, which has more images than strict
        (clean, "no-noise"): 33.0,
        (grey_box, "rt2-none"): 40.0,
        (worst.split(",")[0], "rt2-none"): 5.0,
        (worst.split(",")[0], "rt2-atop"): 9.0,
    }


def test_every_series_says_its_n() -> None:
    labels = [str(series.get_label()) for series in drawn()[1]]
    assert [label.rpartition(", ")[2] for label in labels] == [
        "n = 64 or 2000",
        "n = 2000",
        "n = 64",
    ]


def test_bars_have_their_intervals() -> None:
    first = drawn()[1][0]
    assert first.errorbar
    (line,) = first.errorbar.lines[2]
    ends = sorted(tuple(segment[:, 0]) for segment in line.get_segments())
    assert ends == [(32.0, 35.0), (69.0, 72.0)]


@pytest.mark.parametrize("missing", ["table7", "strict"])
def test_a_preset_without_a_table_has_no_figure(missing: str, tmp_path: Path) -> None:
    for name, frame in frames().items():
        (frame.assign(preset="smoke") if name == missing else frame).to_csv(
            tmp_path / f"{name}.csv"
        )
    assert figures.summarise(tmp_path) == []


def test_the_same_numbers_make_the_same_file(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        for name, frame in frames().items():
            frame.to_csv(tmp_path / f"{name}.csv")
        (path,) = figures.summarise(tmp_path)
        contents.append(path.read_bytes())
    assert path.name == "summary-slim.svg"
    assert contents[0] == contents[1]
