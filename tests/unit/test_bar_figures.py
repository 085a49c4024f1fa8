"""Figures of bars: places, notes of what is missing, and that a drawing shows the CSV's numbers."""

import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from support.synthetic_records import write_figure

from atop.core.files import ROOT, read_json
from atop.experiment import paths, presets
from atop.experiment.tables import Table, table
from atop.reporting import figures
from atop.reporting.figures import bars
from atop.reporting.render import render, render_released
from atop.results import released

CLEAN, ADVERSARIAL = "Trained on clean", "Trained on adversarial"
GROUPS = ["RT1", "RT2"]


@pytest.fixture
def made(small_config: None, tmp_path: Path) -> Table:
    """The small figure with its files below `tmp_path`; of (b) and one bar of (a) no records."""
    found = write_figure(tmp_path / "results", "smoke")
    render(table=found, results=tmp_path / "results", out=tmp_path)
    return found


@pytest.fixture
def drawn(made: Table, tmp_path: Path, saved: list[Figure]) -> Figure:
    """Its drawing."""
    return plotted(tmp_path / "figure4.csv", saved)


def plotted(data: Path, saved: list[Figure]) -> Figure:
    figures.plot(data, [data.parent / "a.svg"])
    return saved[-1]


def legend_of(found: Figure) -> dict[str, str]:
    """Names of the legend and their colours."""
    (legend,) = found.legends
    shades = {
        str(patch.get_label()): to_hex(patch.get_facecolor()) for patch in legend.get_patches()
    }
    lines = {str(line.get_label()): str(line.get_linestyle()) for line in legend.get_lines()}
    return shades | lines


def bars_of(axis: Axes, shade: str) -> list[Rectangle]:
    found = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    return [patch for patch in found if to_hex(patch.get_facecolor()) == shade]


def heights(axis: Axes, shade: str) -> list[float]:
    return [bar.get_height() for bar in bars_of(axis, shade)]


def missing(axis: Axes) -> dict[float, str]:
    """Numbers of the notes that stand in the place of bars."""
    return {
        text.xy[0]: text.get_text()  # type: ignore[attr-defined]
        for text in axis.texts
        if text.get_text().startswith("not run")
    }


def test_panels_groups_and_series_are_the_labels(drawn: Figure) -> None:
    first, second = drawn.axes
    assert list(legend_of(drawn)) == [CLEAN, ADVERSARIAL, "Undefended (Standard Acc.)"]
    assert len(set(legend_of(drawn).values())) == 3
    assert first.get_title(loc="left") == "(a) CIFAR-10 (here resnet_small, cifar10_slice)"
    assert second.get_title(loc="left").startswith("(b) 100% & CIFAR_100")
    for axis in drawn.axes:
        assert [text.get_text() for text in axis.texts if text.get_rotation() == 0] == GROUPS
        names = [label.get_text() for label in axis.get_xticklabels()]
        assert names == ["Standard Acc.", "FGSM"] * 2
    assert drawn.legends[0].get_title().get_text() == "Figure 4, preset smoke"


def test_a_column_may_have_no_bars(made: Table, tmp_path: Path) -> None:
    frame = pd.read_csv(tmp_path / "figure4.csv")
    columns = tuple(replace(one, drawn=one.key != "fgsm") for one in made.columns)
    found = bars.figure(replace(made, columns=columns), frame)
    first = found.axes[0]
    assert [label.get_text() for label in first.get_xticklabels()] == ["Standard Acc."] * 2
    assert heights(first, legend_of(found)[CLEAN]) == [75, 60]
    assert dashes(first) == [95, 95]
    assert len(missing(first)) == 1  # not run, once for each column that has bars


def dashes(axis: Axes) -> list[float]:
    """Height of both ends of the dashed lines."""
    found = [line for line in axis.lines if line.get_linestyle() == "--"]
    return [float(y) for line in found for y in np.asarray(line.get_ydata())]


def test_bars_are_the_records_numbers(drawn: Figure, tmp_path: Path) -> None:
    first, second = drawn.axes
    shades = legend_of(drawn)
    assert heights(first, shades[CLEAN]) == [75, 20, 60, 45]
    assert heights(first, shades[ADVERSARIAL]) == [70, 40]
    assert dashes(first) == [95, 95]
    assert not second.patches
    assert not dashes(second)
    frame = pd.read_csv(tmp_path / "figure4.csv").set_index(["row", "column"])
    expected = frame.loc[("a-rt1-clean", "standard"), ["low", "high"]].tolist()
    (bars_of_errors,) = first.containers[1].errorbar.lines[2]  # type: ignore[attr-defined]
    assert bars_of_errors.get_segments()[0][:, 1].tolist() == pytest.approx(expected)
    below = drawn.get_supxlabel()
    assert below.startswith("Standard Acc.: n = 200; FGSM: Linf 8/255, n = 200\n")


def test_no_two_bars_overlap_and_groups_lie_apart(drawn: Figure) -> None:
    first, second = drawn.axes
    (width,) = {round(patch.get_width(), 9) for patch in first.patches}  # type: ignore[attr-defined]
    middles = [patch.get_x() + width / 2 for patch in first.patches]  # type: ignore[attr-defined]
    places = {first: (width, [*middles, *missing(first)]), second: (2 * width, [*missing(second)])}
    for axis, (bar, found) in places.items():
        found.sort()
        assert axis.get_xlim()[0] == 0
        assert found[0] - bar / 2 > 0
        assert found[-1] + bar / 2 < axis.get_xlim()[1]
        assert min(after - before for before, after in pairwise(found)) >= bar - 1e-9
        groups = [text.xy[0] for text in axis.texts if text.get_rotation() == 0]  # type: ignore[attr-defined]
        between = sum(groups) / 2
        assert not [x for x in found if abs(x - between) < (bar + bars.GAP) / 2]
    shades = legend_of(drawn)
    pair = [bars_of(first, shades[name])[0].get_x() for name in (CLEAN, ADVERSARIAL)]
    assert sum(pair) / 2 + width / 2 == pytest.approx(first.get_xticks()[0])


def test_what_was_not_run_has_a_place_and_a_reason_and_no_bar(drawn: Figure) -> None:
    first, second = drawn.axes
    assert list(missing(first).values()) == ["not run$^{1}$"] * 2
    assert set(missing(second).values()) == {"not run$^{2}$", "not run$^{3}$"}
    assert len(missing(second)) == 4
    below = drawn.get_supxlabel()
    assert "\n1  no record yet" in below
    assert "rt2-adversarial" in below
    assert "\n3  no record yet" in below


def test_the_latex_figure_includes_the_drawing(made: Table, tmp_path: Path) -> None:
    text = (tmp_path / "figure4.tex").read_text()
    head = text.partition("\\begin")[0]
    assert "graphicx" in head
    assert "figure4.pdf" in head
    assert re.search(r"\\begin{figure}.*\n.*\n\\includegraphics\[.*\]{figure4.pdf}", text)
    assert r"preset \textbf{smoke}: Two ways of training" in text


def test_a_later_preset_of_a_figure_is_a_table(made: Table, tmp_path: Path) -> None:
    """The drawing shows the first."""
    write_figure(tmp_path / "results", "paper")
    files = (tmp_path / "results").rglob("*.json")
    records = {paths.RESULTS / file.relative_to(tmp_path / "results"): file for file in files}
    released.write(
        tmp_path / "figure4.jsonl", {key: read_json(file) for key, file in records.items()}
    )
    render_released(name="figure4", file=tmp_path / "figure4.jsonl", out=tmp_path / "released")
    text = (tmp_path / "released" / "figure4.tex").read_text()
    assert re.findall(r"\\label{(\w+:[\w-]+)}|(\\includegraphics)", text) == [
        ("", r"\includegraphics"), ("fig:figure4-paper", ""), ("tab:figure4-smoke", ""),
    ]  # fmt: skip


def test_a_figure_without_any_record_is_drawn_empty(
    made: Table, tmp_path: Path, saved: list[Figure]
) -> None:
    render(table=made, results=tmp_path / "none", out=tmp_path / "none")
    found = plotted(tmp_path / "none" / "figure4.csv", saved)
    assert not [patch for axis in found.axes for patch in axis.patches]


def test_the_legend_says_what_a_preset_made_of_an_attack(
    tmp_path: Path, saved: list[Figure]
) -> None:
    render(table=table("figure4", presets.get("smoke")), results=tmp_path, out=tmp_path)
    below = plotted(tmp_path / "figure4.csv", saved).get_supxlabel()
    assert " ".join(below.split()).startswith(
        "Clean; AutoAttack: Linf 8/255, scaled down, without aa-linf-standard; PGD-20: Linf 8/255; "
        "PGD+EOT: Linf 8/255, scaled down"
    )


def test_all_digits_of_a_note_are_raised(tmp_path: Path, saved: list[Figure]) -> None:
    render(table=table("figure4", presets.get("paper")), results=tmp_path, out=tmp_path)
    found = plotted(tmp_path / "figure4.csv", saved)
    assert "not run$^{12}$" in {text for axis in found.axes for text in missing(axis).values()}


def test_figure_4_shares_its_clean_images_and_pgd_with_table_7() -> None:
    four, seven = table("figure4", presets.get("paper")), table("table7", presets.get("paper"))
    for four_key, seven_key in (("a-rt2-adversarial", "rt2-atop"), ("a-undefended", "undefended")):
        for key in ("standard", "pgd-20"):
            shared = seven.record(seven.row(seven_key), seven.column(key))
            assert four.record(four.row(four_key), four.column(key)) == shared
    panels = {row.labels[0][:3] for row in four.rows}
    assert panels == {"(a)", "(b)", "(c)"}
    assert all(row.cell and "paper" not in column.paper for row, column in four.numbers())


def test_drawing_needs_no_torch() -> None:
    code = "import sys, atop.reporting.figures; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
