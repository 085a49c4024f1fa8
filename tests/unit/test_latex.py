"""Every .tex compiles in a minimal document, and nothing is cut off or wider than its page."""

from pathlib import Path

import pytest
from support.latex import compiles
from support.released_records import smoke_run
from support.synthetic_config import use_config
from support.synthetic_records import write_figure, write_records, write_strict

from atop.experiment import config
from atop.experiment.tables import Table, table
from atop.reporting.render import render

RELEASED = smoke_run()
WRITERS = {"table7": write_records, "strict": write_strict, "figure4": write_figure}


pytestmark = pytest.mark.latex


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
    config.forget()
    compiles(text, tmp_path)


@pytest.mark.parametrize("name", config.tables())
def test_released_records_compile(tmp_path: Path, name: str) -> None:
    compiles(tex(table(name, "smoke", extras=True), RELEASED, tmp_path), tmp_path)


@pytest.mark.parametrize("preset", ["paper", "native"])
def test_a_figure_without_records_compiles(tmp_path: Path, preset: str) -> None:
    compiles(tex(table("figure4", preset), tmp_path, tmp_path), tmp_path)


def test_trouble_is_found(tmp_path: Path) -> None:
    head = "% needs \\usepackage{graphicx}.\n"
    for text, told in (
        (r"\noindent\rule{30cm}{1pt}", "Overfull"),
        (r"\begin{figure}\rule{1pt}{30cm}\end{figure}", "too large"),
        (r"\nonsense", "Undefined control sequence"),
    ):
        with pytest.raises(AssertionError, match=told):
            compiles(head + text, tmp_path)
