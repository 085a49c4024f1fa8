"""Every .tex compiles where it lies, and nothing is cut off, wider than its page or lost."""

import re
from pathlib import Path

import pytest
import yaml
from support.latex import compiles
from support.released_records import smoke_run
from support.synthetic_config import CONFIG, TABLE
from support.synthetic_records import write_figure, write_records, write_strict

from atop.experiment import config, presets
from atop.experiment.tables import Table, table
from atop.reporting import figures
from atop.reporting.render import render

WRITERS = {"table7": write_records, "strict": write_strict, "figure4": write_figure}

pytestmark = pytest.mark.latex


def tex(made: Table, results: Path, folder: Path) -> Path:
    """What is rendered from the records below `results`, beside the drawing that it includes."""
    data, _, path, _ = render(table=made, results=results, out=folder)
    if made.spec.figure:
        figures.plot(data, [data.with_suffix(".pdf")])
    return path


@pytest.mark.usefixtures("small_config")
@pytest.mark.parametrize("preset", ["smoke", "paper"])
@pytest.mark.parametrize("name", WRITERS)
def test_made_up_records_compile(tmp_path: Path, name: str, preset: str) -> None:
    made = WRITERS[name](tmp_path / "results", preset)
    path = tex(made, tmp_path / "results", tmp_path / "tables")
    compiles(path, out=tmp_path)


@pytest.mark.parametrize("preset", presets.names())
def test_all_tables_compile(tmp_path: Path, preset: str) -> None:
    """Of preset smoke some with the released records, of the others without any."""
    made = [table(name, presets.get(preset), extras=True) for name in config.tables()]
    compiles(*(tex(one, smoke_run(), tmp_path / "tables") for one in made), out=tmp_path)


@pytest.mark.usefixtures("small_config")
@pytest.mark.parametrize("columns", [3, 8])  # upright and turned
@pytest.mark.parametrize("rows", [39, 100])  # of 39, turned, the last one just fits
def test_a_table_goes_on_over_pages_with_its_heads_and_all_rows(
    tmp_path: Path, columns: int, rows: int
) -> None:
    path = tex(higher_than_a_page(tmp_path / "config", rows, columns), tmp_path, tmp_path / "out")
    pages = compiles(path, out=tmp_path)
    panels = -(-columns // 6)
    pairs = [name for row in range(rows - 1) for name in (row, row + 1)]
    assert numbers("Row", pages) == [*range(rows)] * panels + pairs * panels
    assert numbers("Reason", pages) == [*range(rows)]
    assert numbers("Topic", pages) == [7]
    tables = [page for page in pages if "Row" in page]
    assert len(tables) > 3
    for page in tables:
        first, heads = page.index("Row"), numbers("Head", [page])
        assert re.search(r"Table [12]: ", page[:first])
        assert heads[0] in (0, columns // panels)
        assert page.index(f"Head{heads[0]}") < first


def higher_than_a_page(folder: Path, rows: int, columns: int) -> Table:
    """A table of which no row has records, but each a reason, and compared with the next."""
    labels = [f"Row{i} " + "tall " * (i % 7 * 5) for i in range(rows)]
    content = {
        **TABLE,
        "rows": [
            {"key": f"r{i}", "labels": [label, "no"], "cited": f"Reason{i} " + "word " * 30}
            for i, label in enumerate(labels)
        ],
        "columns": [
            {"key": f"c{i}", "label": f"Head{i} " + "wide " * i, "attack": "fgsm"}
            for i in range(columns)
        ],
        "pairs": [[f"r{i}", f"r{i + 1}"] for i in range(rows - 1)],
    }
    (folder / "tables" / "strict.yaml").write_text(yaml.safe_dump(content))
    (deviation, _) = CONFIG["deviations"]["deviations"]
    deviation = {**deviation, "topic": "Topic7", "tables": ["strict"]}
    (folder / "deviations.yaml").write_text(yaml.safe_dump({"deviations": [deviation]}))
    config.forget()
    return table("strict", presets.get("smoke"))


def numbers(word: str, pages: list[str]) -> list[int]:
    """Those after each occurrence of a word, page by page."""
    return [int(number) for page in pages for number in re.findall(rf"{word}(\d+)\b", page)]


def test_trouble_is_found(tmp_path: Path) -> None:
    path = tmp_path / "it.tex"
    for text, trouble in (
        (r"\noindent\rule{30cm}{1pt}", "Overfull"),
        (r"\begin{figure}\rule{1pt}{30cm}\end{figure}", "too large"),
        (r"\nonsense", "Undefined control sequence"),
        (r"\includegraphics{nowhere.pdf}", "not found"),
    ):
        path.write_text("% needs \\usepackage{graphicx}.\n" + text)
        with pytest.raises(AssertionError, match=trouble):
            compiles(path, out=tmp_path)


def test_words_of_a_page_are_read(tmp_path: Path) -> None:
    path = tmp_path / "it.tex"
    path.write_text(r"% needs \usepackage{array}" + "\nAVAST office, \\textbf{$-$1.5}\\newpage 2")
    first, second = compiles(path, out=tmp_path)
    assert (first, second) == ("AVAST office, -1.5 1", "2 2")
