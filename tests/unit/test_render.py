"""What a reader sees. ATOP_UPDATE_GOLDEN=1 writes the golden files anew; look at them before."""

import os
from pathlib import Path

import pytest
from support.synthetic_records import cell_of, where, write_records, write_strict

from atop.core.errors import AtopError
from atop.core.files import ROOT, read_json, write_json
from atop.experiment import presets
from atop.experiment.tables import table
from atop.reporting.notes import p_value, plain, signed
from atop.reporting.render import escape_md, escape_tex, render
from atop.reporting.view import panels

pytestmark = pytest.mark.usefixtures("small_config")

GOLDEN = ROOT / "tests" / "golden"
FLAT = {"probe": {"zero_gradient": 0.1, "examples": 30}}


def rendered(tmp_path: Path, preset: str = "smoke", name: str = "table7") -> dict[str, str]:
    if name == "table7":
        made = write_records(tmp_path / "results", preset, rt1_none=FLAT)
    else:
        made = write_strict(tmp_path / "results", preset)
    files = render(table=made, results=tmp_path / "results", out=tmp_path / "out")
    assert [path.name for path in files] == [f"{name}.{s}" for s in ("csv", "md", "tex", "diff.md")]
    return {path.name: path.read_text() for path in files}


@pytest.mark.parametrize("name", ["table7.md", "table7.tex", "strict.md", "strict.tex"])
def test_golden(tmp_path: Path, name: str) -> None:
    text = rendered(tmp_path, name=Path(name).stem)[name]
    if os.environ.get("ATOP_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


def test_a_cell_says_what_its_attack_repeats(tmp_path: Path) -> None:
    assert "repeats" not in rendered(tmp_path, "paper", "strict")["strict.md"]
    made = table("strict", presets.get("paper"))
    path = where(tmp_path / "results", "paper", cell_of(made, "rt2-atop"), "strict", "defense")
    content = read_json(path)
    by = {one["attack"]: one for one in content["evaluations"]}
    by["square"]["predictions"] = by["pgd"]["predictions"]
    write_json(path, content)
    render(table=made, results=tmp_path / "results", out=tmp_path)
    text = (tmp_path / "strict.md").read_text()
    (row,) = (one for one in text.splitlines() if one.count("repeats PGD"))
    assert row.startswith("| RT2 | ResNet-18 |")
    assert row.count("<br>repeats PGD |") == 1
    assert "repeats: the attack started from another attack" in text
    assert r"\newline \emph{repeats PGD}" in (tmp_path / "strict.tex").read_text()


def test_smoke_numbers_say_smoke(tmp_path: Path) -> None:
    texts = rendered(tmp_path)
    assert texts["table7.md"].startswith("# Table 7, preset smoke\n")
    assert r"preset \textbf{smoke}" in texts["table7.tex"]
    assert "preset smoke" in texts["table7.diff.md"].splitlines()[0]
    assert all(line.startswith("smoke,") for line in texts["table7.csv"].splitlines()[1:])


def test_a_scaled_budget_stands_in_the_header(tmp_path: Path) -> None:
    smoke, paper = rendered(tmp_path), rendered(tmp_path / "other", "paper")
    assert "PGD-1000<br>Linf 8/255<br>here 50 steps |" in smoke["table7.md"]
    assert r"PGD-1000\newline Linf 8/255\newline here 50 steps" in smoke["table7.tex"]
    assert "50 steps (paper preset: 1000)" in smoke["table7.md"]
    assert "here 50 steps" not in paper["table7.md"]


def test_a_cell_shows_both_numbers(tmp_path: Path) -> None:
    text = rendered(tmp_path, "paper")["table7.md"]
    assert "**75.0** [68.6, 80.5]<br>paper 91.99, −17.0, lower |" in text
    assert "nan" not in text.lower()


def test_cells_not_run_have_footnotes(tmp_path: Path) -> None:
    texts = rendered(tmp_path)
    assert "not run<sup>1</sup><br>paper 90.04" in texts["table7.md"]
    assert "cited<sup>2</sup><br>paper 80.02" in texts["table7.md"]
    assert "<sup>2</sup> needs weights that are not public" in texts["table7.md"]
    assert r"not run\textsuperscript{1}\newline paper 90.04" in texts["table7.tex"]


def test_a_control_stands_apart_and_has_no_verdict(tmp_path: Path) -> None:
    text = rendered(tmp_path)["table7.md"]
    last = text.index("| RT3<br>here resnet_small, cifar10_slice | yes")
    assert last < text.index("**Controls") < text.index("| undefended")
    assert "cifar10_slice | - | **95.0** [91.0, 97.3] | **5.0** [2.7, 9.0] |" in text


@pytest.mark.parametrize("name", ["table7", "strict"])
def test_all_table_lines_have_the_same_number_of_cells(tmp_path: Path, name: str) -> None:
    block: list[str] = []
    for line in [*rendered(tmp_path, name=name)[f"{name}.md"].splitlines(), ""]:
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
        "Of 15 numbers in the paper: 1 consistent, 5 inconclusive, 3 lower, 3 cited, 3 not run. "
        "No claim about AToP is drawn for RT2: not in regime (see findings)."
    )
    assert text.index("| RT1") < text.index("## Not run") < text.index("**RT2, AToP yes**")


def test_the_target_is_named(tmp_path: Path) -> None:
    assert "the bare classifier (grey box)" in rendered(tmp_path)["table7.md"]
    write_records(tmp_path, "smoke")
    strict = table("table7", presets.get("smoke"), target="defense")
    files = render(table=strict, results=tmp_path, out=tmp_path / "defense")
    assert "the whole defence" in files[1].read_text()


def test_substitutes_are_named(tmp_path: Path) -> None:
    text = rendered(tmp_path)["table7.md"]
    assert "resnet_small (726,570 parameters) in place of resnet18" in text
    assert "cifar10_slice in place of cifar10" in text
    assert "in place of" not in rendered(tmp_path / "other", "paper")["table7.md"]


def test_a_row_names_the_substitute_of_its_network(tmp_path: Path) -> None:
    smoke = rendered(tmp_path, name="strict")
    assert "| RT2<br>here resnet_small, cifar10_slice | WideResNet | " in smoke["strict.md"]
    assert r"RT2\newline here resnet\_small, cifar10\_slice & Wide" in smoke["strict.tex"]
    paper = rendered(tmp_path / "other", "paper", name="strict")
    assert "| RT2 | WideResNet | 90.04 (Table 7, Standard Acc.) | not run" in paper["strict.md"]


def test_what_the_paper_prints_elsewhere_is_quoted_with_its_target(tmp_path: Path) -> None:
    """Table 8 has no file in this config: its keys are shown instead of labels."""
    told = "84.38 (Table 7, PGD-1000, on the bare classifier)", "68.75 (Table 8, pgd-20)"
    texts = rendered(tmp_path, name="strict")
    assert ";<br>".join(told) in texts["strict.md"]
    assert r"\newline ".join(told) in texts["strict.tex"]


def test_six_columns_at_most_stand_side_by_side(tmp_path: Path) -> None:
    texts = rendered(tmp_path, name="strict")
    heads = [line for line in texts["strict.md"].splitlines() if line.startswith("| Defence")]
    assert [len(line.split(" | ")) - 2 for line in heads] == [6, 4, 1]  # one more: what is quoted
    assert texts["strict.tex"].count("\nDefence & Classifier & ") == 2 * 4  # first and later pages
    assert "| 10 steps<br>" in heads[2]  # a curve stands by itself


@pytest.mark.parametrize(("count", "widths"), [(6, [6]), (7, [4, 3]), (17, [6, 6, 5])])
def test_panels_are_about_even(count: int, widths: list[int]) -> None:
    column = table("table7", presets.get("paper")).columns[0]
    assert [len(panel) for panel in panels([column] * count)] == widths


def test_a_size_stands_in_every_header_if_an_attack_has_its_own(tmp_path: Path) -> None:
    smoke, paper = rendered(tmp_path, name="strict"), rendered(tmp_path / "b", "paper", "strict")
    scaled = "here 20 steps<br>here 100 images"
    assert f"| PGD<br>Linf 8/255<br>at 32 pixels<br>{scaled} |" in smoke["strict.md"]
    assert "| Clean<br>at 256 pixels |" in paper["strict.md"]
    assert "| PGD<br>Linf 8/255<br>at 32 pixels |" in paper["strict.md"]
    assert "pixels |" not in rendered(tmp_path / "c")["table7.md"]


def test_a_worst_case_is_scaled_down_if_an_attack_is_or_is_missing(tmp_path: Path) -> None:
    smoke, paper = rendered(tmp_path, name="strict"), rendered(tmp_path / "b", "paper", "strict")
    assert "| Worst case<br>Linf 8/255<br>at 32 pixels<br>here scaled down |" in smoke["strict.md"]
    assert "| Worst case<br>Linf 8/255<br>at 32 pixels |" in paper["strict.md"]
    assert "| Square |" in smoke["strict.md"]  # left out, so not run at all
    assert "preset smoke leaves out Square" in smoke["strict.md"]


def test_attacks_of_worst_cases_are_listed_once(tmp_path: Path) -> None:
    text = rendered(tmp_path, "paper", "strict")["strict.md"]
    pgd = "Linf 8/255 at the data's size, step 2/255, 200 steps, EOT 20"
    assert f"  - pgd@classifier: {pgd}, made on the bare classifier\n" in text
    assert f"  - PGD / CIFAR-100 / 10 steps: {pgd}\n" in text
    assert f"  - Square: {pgd}; then queries 100" not in text
    assert f"  - Square: {pgd}; then 100 queries, 20 judge draws\n" in text


def test_a_table_without_records_renders(tmp_path: Path) -> None:
    files = render(
        table=table("table7", presets.get("paper")), results=tmp_path, out=tmp_path / "out"
    )
    assert "Of 15 numbers in the paper: 3 cited, 12 not run." in files[1].read_text()


def test_a_broken_record_leaves_no_files(tmp_path: Path) -> None:
    made = write_records(tmp_path / "results", "paper", rt1_none={"n": -1})
    with pytest.raises(AtopError, match="n: "):
        render(table=made, results=tmp_path / "results", out=tmp_path / "out")
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
