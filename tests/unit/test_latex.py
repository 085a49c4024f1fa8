"""Every .tex compiles in a minimal document, and nothing is cut off or wider than its page."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from synthetic_config import use_config
from synthetic_records import write_figure, write_records, write_strict

from atop import config
from atop.files import ROOT
from atop.render import render
from atop.tables import Table, table

RELEASED = ROOT / "results" / "released" / "2026-11-22-smoke"
WRITERS = {"table7": write_records, "strict": write_strict, "figure4": write_figure}


def lacks_latex() -> bool:
    """Whether pdflatex or pgfplots is missing."""
    if not shutil.which("pdflatex"):
        return True
    found = subprocess.run(["kpsewhich", "pgfplots.sty"], check=False, capture_output=True)
    return found.returncode != 0


pytestmark = [
    pytest.mark.latex,
    pytest.mark.skipif(
        lacks_latex(),
        reason="apt-get install texlive-latex-recommended texlive-pictures brings pdflatex",
    ),
]


def check(text: str, folder: Path) -> None:
    """Compile it with the packages that its first line names; the log must know of no trouble."""
    (match,) = re.findall(r"\\usepackage\{[a-z,]*\}", text)
    page = rf"\documentclass{{article}}{match}\begin{{document}}\input{{it.tex}}\end{{document}}"
    (folder / "it.tex").write_text(text)
    (folder / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, timeout=60)
    log = (folder / "page.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert re.search(r"Output written on page\.pdf \([1-9]", log)
    for trouble in ("Overfull", "too large", "undefined", "Missing character"):
        assert trouble not in log, log[log.index(trouble) - 200 :][:600]


def tex(made: Table, results: Path, folder: Path) -> str:
    """What is rendered from the records below `results`."""
    render(table=made, results=results, out=folder / "out")
    return (folder / "out" / f"{made.name}.tex").read_text()


@pytest.mark.parametrize("preset", ["smoke", "paper"])
@pytest.mark.parametrize("name", WRITERS)
def test_made_up_records_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, preset: str
) -> None:
    use_config(tmp_path / "config", monkeypatch)
    made = WRITERS[name](tmp_path / "results", preset)
    text = tex(made, tmp_path / "results", tmp_path)
    config.read.cache_clear()
    check(text, tmp_path)


@pytest.mark.parametrize("name", config.tables())
def test_released_records_compile(tmp_path: Path, name: str) -> None:
    check(tex(table(name, "smoke", extras=True), RELEASED, tmp_path), tmp_path)


@pytest.mark.parametrize("preset", ["paper", "native"])
def test_a_figure_without_records_compiles(tmp_path: Path, preset: str) -> None:
    check(tex(table("figure4", preset), tmp_path, tmp_path), tmp_path)


def test_trouble_is_found(tmp_path: Path) -> None:
    head = "% needs \\usepackage{graphicx}.\n"
    for text, told in (
        (r"\noindent\rule{30cm}{1pt}", "Overfull"),
        (r"\begin{figure}\rule{1pt}{30cm}\end{figure}", "too large"),
        (r"\nonsense", "Undefined control sequence"),
    ):
        with pytest.raises(AssertionError, match=told):
            check(head + text, tmp_path)
