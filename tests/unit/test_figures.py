"""Plots of curves: what is drawn is what the CSV beside the plot says."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.figure import Figure

from atop.core.errors import AtopError
from atop.reporting import figures

COLUMNS = ["preset", "row", "labels", "curve", "x", "measured", "low", "high", "n"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two rows, four curves, a point that was not measured, one of another preset, and no point."""
    lines = []
    for row in ("RT2, no", "RT2, yes"):
        for curve, points in (("eot", (20, 1)), ("steps", (10, 200)), ("eps", (8, 64))):
            lines += [("a", row, row, curve, x, 50 - x / 10, 40 - x / 10, 70.0, 64) for x in points]
        lines += [
            ("a", row, row, "noise", 8, 80.0, 70.0, 90.0, 64),
            ("a", row, row, "", None, 90, 80, 95, 64),
        ]
        lines += [("a", row, row, "eot", 50, None, None, None, None)]
        lines += [("b", row, row, "eot", 30, 5.0, 0.0, 9.0, 64)]
    path = tmp_path / "convergence.csv"
    pd.DataFrame(lines, columns=COLUMNS).to_csv(path, index=False)
    return path


@pytest.fixture
def drawn(data: Path, tmp_path: Path, saved: list[Figure]) -> Figure:
    """The figure that is saved."""
    figures.plot(data, [tmp_path / "a.png", tmp_path / "a.pdf", tmp_path / "a.svg"])
    return saved[0]


def test_every_format_is_written_by_its_suffix(drawn: Figure, tmp_path: Path) -> None:
    assert plt.imread(tmp_path / "a.png").shape[1] > 1000
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_points_stand_in_order_with_their_intervals(drawn: Figure) -> None:
    eot, steps, eps = drawn.axes
    assert [len(axis.containers) for axis in drawn.axes] == [2, 2, 4]  # noise joins the radii
    line = eot.containers[0].lines[0]
    assert line.get_xdata().tolist() == [1, 20]
    assert line.get_ydata().tolist() == pytest.approx([49.9, 48])
    (bars,) = eot.containers[0].lines[2]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [
        pytest.approx([39.9, 70]),
        pytest.approx([38, 70]),
    ]
    assert steps.get_xlabel() == "steps"
    assert [text.get_text() for text in eps.get_legend().get_texts()] == [
        "RT2, no", "RT2, no, random noise", "RT2, yes", "RT2, yes, random noise",
    ]  # fmt: skip
    assert "n = 64" in eot.get_ylabel()


def test_draws_and_steps_together_have_a_panel_where_there_are_two(
    data: Path, tmp_path: Path, saved: list[Figure]
) -> None:
    frame = pd.read_csv(data)
    points = [("a", "RT2, no", "RT2, no", "joint", x, 50, 40, 60, 64) for x in (4000, 1000)]
    for more in (points[:1], points[1:]):
        frame = pd.concat([frame, pd.DataFrame(more, columns=COLUMNS)])
        frame.to_csv(data, index=False)
        figures.plot(data, [tmp_path / "a.png"])
    one, two = saved
    assert len(one.axes) == 3
    assert [axis.get_xlabel() for axis in two.axes][2] == "EOT draws x steps"
    assert two.axes[2].containers[0].lines[0].get_xdata().tolist() == [1000, 4000]


def test_nothing_measured_is_said(tmp_path: Path) -> None:
    path = tmp_path / "convergence.csv"
    pd.DataFrame([("a", "a", "a", "eot", 1, None, None, None, None)], columns=COLUMNS).to_csv(path)
    with pytest.raises(AtopError, match=r"convergence\.csv: nothing was measured"):
        figures.plot(path, [tmp_path / "a.png"])
    assert not (tmp_path / "a.png").exists()
