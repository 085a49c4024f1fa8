"""What a reader sees. ATOP_UPDATE_GOLDEN=1 writes the golden files anew; look at them before."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from synthetic_records import use_config, write_records

from atop import config
from atop.errors import AtopError
from atop.files import ROOT
from atop.notes import p_value, plain, signed
from atop.render import escape_md, escape_tex, render

GOLDEN = ROOT / "tests" / "golden"
FINDING = {"findings": [{"name": "single-step-beats-iterative", "text": "fgsm < pgd: transfer"}]}


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    use_config(tmp_path / "config", monkeypatch)
    yield
    config.read.cache_clear()


def rendered(tmp_path: Path, preset: str = "smoke", target: str = "classifier") -> dict[str, str]:
    table = write_records(tmp_path / "results", preset, rt1_none=FINDING)
    files = render(table=table, results=tmp_path / "results", target=target, out=tmp_path / "out")
    assert [path.name for path in files] == [f"table7.{s}" for s in ("csv", "md", "tex", "diff.md")]
    return {path.name: path.read_text() for path in files}


@pytest.mark.parametrize("name", ["table7.md", "table7.tex"])
def test_golden(tmp_path: Path, name: str) -> None:
    text = rendered(tmp_path)[name]
    if os.environ.get("ATOP_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


def test_smoke_numbers_say_smoke(tmp_path: Path) -> None:
    texts = rendered(tmp_path)
    assert texts["table7.md"].startswith("# Table 7, preset smoke\n")
    assert r"preset \textbf{smoke}" in texts["table7.tex"]
    assert "preset smoke" in texts["table7.diff.md"].splitlines()[0]
    assert all(line.startswith("smoke,") for line in texts["table7.csv"].splitlines()[1:])


def test_a_scaled_budget_stands_in_the_header(tmp_path: Path) -> None:
    smoke, paper = rendered(tmp_path), rendered(tmp_path / "other", "paper")
    assert "PGD-1000<br>Linf 8/255<br>here 50 steps |" in smoke["table7.md"]
    assert r"PGD-1000\\Linf 8/255\\here 50 steps" in smoke["table7.tex"]
    assert "50 steps (paper preset: 1000)" in smoke["table7.md"]
    assert "here 50 steps" not in paper["table7.md"]


def test_a_cell_shows_both_numbers(tmp_path: Path) -> None:
    text = rendered(tmp_path, "paper")["table7.md"]
    assert "**75.0** [68.6, 80.5]<br>paper 91.99, −17.0, lower |" in text
    assert "nan" not in text.lower()


def test_cells_not_run_have_footnotes(tmp_path: Path) -> None:
    texts = rendered(tmp_path)
    assert "not run<sup>1</sup><br>paper 90.04" in texts["table7.md"]
    assert "not run<sup>2</sup><br>paper 80.02" in texts["table7.md"]
    assert "<sup>2</sup> needs weights that are not public" in texts["table7.md"]
    assert r"not run\textsuperscript{1}\\paper 90.04" in texts["table7.tex"]


def test_a_control_stands_apart_and_has_no_verdict(tmp_path: Path) -> None:
    text = rendered(tmp_path)["table7.md"]
    assert text.index("RT3 | yes") < text.index("**Controls") < text.index("| undefended")
    assert "| undefended | - | **95.0** [91.0, 97.3] | **5.0** [2.7, 9.0] |" in text


def test_all_table_lines_have_the_same_number_of_cells(tmp_path: Path) -> None:
    block: list[str] = []
    for line in [*rendered(tmp_path)["table7.md"].splitlines(), ""]:
        if line.startswith("|"):
            block.append(line.replace(r"\|", ""))
        elif block:
            assert len({line.count("|") for line in block}) == 1
            assert block[1].replace("|", "").replace("-", "").replace(":", "").strip() == ""
            block = []


def test_diff_is_sorted_by_distance(tmp_path: Path) -> None:
    text = rendered(tmp_path, "paper")["table7.diff.md"]
    lines = [line for line in text.splitlines() if line.startswith("| RT")]
    gaps = [abs(float(line.split("**")[1].replace("−", "-"))) for line in lines]
    assert len(gaps) == 9
    assert gaps == sorted(gaps, reverse=True)
    assert lines[0].startswith("| RT2, AToP no | Standard Acc. | 84.18 | 50.0 [43.1, 56.9] |")
    assert text.splitlines()[2] == (
        "Of 15 numbers in the paper: 1 consistent, 5 inconclusive, 3 lower, 6 not run."
    )
    assert text.index("| RT1") < text.index("## Not run") < text.index("**RT2, AToP yes**")


def test_the_target_is_told_in_words(tmp_path: Path) -> None:
    assert "the bare classifier (grey box)" in rendered(tmp_path)["table7.md"]
    assert "the whole defence" in rendered(tmp_path, target="defense")["table7.md"]


def test_stand_ins_are_named(tmp_path: Path) -> None:
    text = rendered(tmp_path)["table7.md"]
    assert "resnet_small (726,570 parameters) stands in for resnet18" in text
    assert "cifar10_slice stands in for cifar10" in text
    assert "stands in" not in rendered(tmp_path / "other", "paper")["table7.md"]


def test_a_table_without_records_renders(tmp_path: Path) -> None:
    table = config.table("table7", "paper")
    files = render(table=table, results=tmp_path, target="classifier", out=tmp_path / "out")
    assert "Of 15 numbers in the paper: 15 not run." in files[1].read_text()


def test_a_broken_record_leaves_no_files(tmp_path: Path) -> None:
    table = write_records(tmp_path / "results", "paper", rt1_none={"n": -1})
    with pytest.raises(AtopError, match="n: "):
        render(table=table, results=tmp_path / "results", target="classifier", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_escapes() -> None:
    assert escape_tex(r"5% of a_b & {c} \ #1 $x$") == (
        r"5\% of a\_b \& \{c\} \textbackslash{} \#1 \$x\$"
    )
    assert escape_tex("~^ <d>") == r"\textasciitilde{}\textasciicircum{} $<$d$>$"
    assert escape_tex("-- [1]") == "-{}- {[}1]"
    assert escape_tex("run `a_b`") == r"run \texttt{a\_b}"
    assert escape_md("a|b _c_ d_e *f* <g> `h_i|`") == r"a\|b \_c\_ d_e \*f\* \<g> `h_i|`"


def test_numbers() -> None:
    assert [plain(v) for v in (-0.04, 0.04, -1.25, 12.0)] == ["0.0", "0.0", "−1.2", "12.0"]
    assert [signed(v) for v in (-3.14, 3.14, 0.0)] == ["−3.1", "+3.1", "0.0"]
    assert [p_value(v) for v in (None, 0.0001, 0.0312)] == ["", "p < 0.001", "p = 0.031"]


def test_rendering_needs_no_torch() -> None:
    code = "import sys, atop.render, atop.diff; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
