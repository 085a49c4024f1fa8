"""Figures of bars: places, notes of what is missing, and that drawings show the CSV's numbers."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from support.synthetic_config import use_config
from support.synthetic_records import write_figure

from atop.core.files import ROOT
from atop.experiment import config
from atop.experiment.tables import Table, table
from atop.reporting import figures
from atop.reporting.aggregate import aggregate
from atop.reporting.figures import bar_layout
from atop.reporting.render import render

CLEAN, ADVERSARIAL = "Trained on clean", "Trained on adversarial"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """The small figure with its files below `tmp_path`; of (b) and one bar of (a) no records."""
    use_config(tmp_path / "config", monkeypatch)
    found = write_figure(tmp_path / "results", "smoke")
    render(table=found, results=tmp_path / "results", out=tmp_path)
    yield found
    config.forget()


@pytest.fixture
def whole(made: Table, tmp_path: Path) -> bar_layout.Bars:
    return bar_layout.bars(made, pd.read_csv(tmp_path / "figure4.csv"))


def test_panels_groups_and_series_are_the_labels(whole: bar_layout.Bars) -> None:
    first, second = whole.panels
    assert list(whole.series) == [CLEAN, ADVERSARIAL]
    assert len(set(whole.series.values())) == 2
    assert first.title == "(a) CIFAR-10 (here resnet_small, cifar10_slice)"
    assert [name for _, name in first.groups] == ["RT1", "RT2"]
    assert [name for _, name in first.ticks] == ["Standard Acc.", "FGSM"] * 2
    assert list(second.bars) == [ADVERSARIAL]
    assert second.bar == pytest.approx(2 * first.bar)


def test_a_column_may_have_no_bars(made: Table, tmp_path: Path) -> None:
    frame = pd.read_csv(tmp_path / "figure4.csv")
    columns = tuple(replace(one, drawn=one.key != "fgsm") for one in made.columns)
    first = bar_layout.bars(replace(made, columns=columns), frame).panels[0]
    assert [name for _, name in first.ticks] == ["Standard Acc."] * 2
    assert [bar.value for bar in first.bars[CLEAN]] == [75, 60]
    assert first.line == 95
    assert len(first.missing) == 1  # not run, once for each column that has bars


def test_bars_are_the_records_numbers(whole: bar_layout.Bars) -> None:
    first = whole.panels[0]
    assert [bar.value for bar in first.bars[CLEAN]] == [75, 20, 60, 45]
    assert [bar.value for bar in first.bars[ADVERSARIAL]] == [70, 40]
    for bar in first.bars[CLEAN]:
        assert bar.low < bar.value < bar.high
    assert first.line == 95
    assert whole.legend == "Standard Acc.: n = 200; FGSM: Linf 8/255, n = 200"


def test_no_two_bars_overlap_and_groups_lie_apart(whole: bar_layout.Bars) -> None:
    for panel in whole.panels:
        drawn = [bar.x for own in panel.bars.values() for bar in own]
        places = sorted([*drawn, *(x for x, _ in panel.missing)])
        assert places[0] - panel.bar / 2 > 0
        assert places[-1] + panel.bar / 2 < panel.end
        gaps = [after - before for before, after in pairwise(places)]
        assert min(gaps) >= panel.bar - 1e-9
        middle = (panel.groups[0][0] + panel.groups[1][0]) / 2
        assert not [x for x in places if abs(x - middle) < (panel.bar + bar_layout.GAP) / 2]
    first = whole.panels[0]
    assert sum(bar.x for bar in (first.bars[CLEAN][0], first.bars[ADVERSARIAL][0])) == (
        pytest.approx(2 * first.ticks[0][0])
    )


def test_what_was_not_run_has_a_place_and_a_reason_and_no_bar(whole: bar_layout.Bars) -> None:
    first, second = whole.panels
    assert [number for _, number in first.missing] == ["1", "1"]
    assert {number for _, number in second.missing} == {"2", "3"}
    assert second.bars == {ADVERSARIAL: []}
    assert second.line is None
    assert list(whole.notes) == [1, 2, 3]
    assert "rt2-adversarial" in whole.notes[1]


def test_the_latex_figure_says_the_same(made: Table, tmp_path: Path) -> None:
    text = (tmp_path / "figure4.tex").read_text()
    assert r"\begin{figure}[tp]" in text
    assert r"preset \textbf{smoke}: Two ways of training" in text
    assert re.search(r"\(\d\.\d+,20\.00\) \+= \(0,6\.\d\d\) -= \(0,4\.\d\d\)", text)
    assert text.count("ybar") == 2
    assert text.count(r"\draw[dashed] (axis cs:0,95.00)") == 1
    assert text.count(r"{not run\textsuperscript{1}}") == 2
    assert text.count(r"{not run\textsuperscript") == 6
    assert r"(b) 100\% \& CIFAR\_100" in text
    assert r"\textsuperscript{1}~no record yet" in text
    assert "FGSM: Linf 8/255, n = 200" in text


def test_the_drawing_says_the_same(
    whole: bar_layout.Bars, tmp_path: Path, saved: list[Figure]
) -> None:
    figures.plot(tmp_path / "figure4.csv", [tmp_path / "a.svg"])
    (found,) = saved
    first, second = found.axes
    assert [patch.get_height() for patch in first.patches] == [75, 20, 60, 45, 70, 40]
    assert [text.get_text() for text in first.texts] == ["not run$^{1}$"] * 2 + ["RT1", "RT2"]
    (dashed,) = [line for line in first.lines if line.get_linestyle() == "--"]
    assert list(dashed.get_ydata()) == [95, 95]
    (bars_of_errors,) = first.containers[1].errorbar.lines[2]
    low, high = bars_of_errors.get_segments()[0][:, 1]
    expected = whole.panels[0].bars[CLEAN][0]
    assert (low, high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert not second.patches
    assert len(second.texts) == 4 + 2
    (legend,) = found.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [CLEAN, ADVERSARIAL, "Undefended (Standard Acc.)"]
    assert legend.get_title().get_text() == "Figure 4, preset smoke"
    below = found.get_supxlabel()
    assert below.startswith("Standard Acc.: n = 200")
    assert "\n1  no record yet" in below


def test_a_figure_without_any_record_is_drawn_empty(
    made: Table, tmp_path: Path, saved: list[Figure]
) -> None:
    render(table=made, results=tmp_path / "none", out=tmp_path / "none")
    figures.plot(tmp_path / "none" / "figure4.csv", [tmp_path / "a.png"])
    (found,) = saved
    assert not [patch for axis in found.axes for patch in axis.patches]


def test_the_legend_says_what_a_preset_made_of_an_attack(tmp_path: Path) -> None:
    whole = aggregate(table=table("figure4", "smoke"), results=tmp_path)
    told = (
        "Clean; AutoAttack: Linf 8/255, scaled down, without aa-linf-standard; PGD-20: Linf 8/255; "
        "PGD+EOT: Linf 8/255, scaled down"
    )
    assert bar_layout.bars(whole.table, whole.frame).legend == told


def test_all_digits_of_a_note_are_raised(tmp_path: Path, saved: list[Figure]) -> None:
    render(table=table("figure4", "paper"), results=tmp_path, out=tmp_path)
    figures.plot(tmp_path / "figure4.csv", [tmp_path / "a.svg"])
    drawn = {text.get_text() for axis in saved[0].axes for text in axis.texts}
    assert "not run$^{12}$" in drawn


def test_figure_4_shares_its_clean_pictures_and_pgd_with_table_7() -> None:
    four, seven = table("figure4", "paper"), table("table7", "paper")
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
