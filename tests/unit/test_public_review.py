"""The authors' numbers in the public review: as they wrote them, and quoted with their source."""

import csv
from pathlib import Path

import pytest

from atop.experiment import config, presets
from atop.experiment.paper import SOURCES, file, numbers
from atop.experiment.stages import plan
from atop.experiment.tables import Table, table
from atop.reporting.aggregate import aggregate
from atop.reporting.render import render

NUMBERS = {
    ("rt2-none", "pgd-200-eot-20"): "56.25",
    ("rt2-atop", "pgd-200-eot-20"): "64.06",
    ("rt1-none", "pgd-10-eot-10"): "0.00",
    ("rt1-atop", "pgd-10-eot-10"): "43.16",
    ("rt2-none", "pgd-10-eot-10"): "69.14",
    ("rt2-atop", "pgd-10-eot-10"): "81.05",
    ("rt3-none", "pgd-10-eot-10"): "68.55",
    ("rt3-atop", "pgd-10-eot-10"): "72.07",
    ("rt2-none-fixed-mask", "pgd-10"): "70.12",
    ("rt2-atop-fixed-mask", "pgd-10"): "79.10",
    ("rt1", "fgsm-classifier"): "16.60",
    ("rt1", "fgsm-defense"): "39.84",
    ("rt2", "fgsm-classifier"): "55.08",
    ("rt2", "fgsm-defense"): "72.66",
    ("rt3", "fgsm-classifier"): "67.97",
    ("rt3", "fgsm-defense"): "67.19",
    ("xcit-cifar10", "standard"): "88.48",
    ("xcit-cifar10", "autoattack-linf"): "80.27",
    ("xcit-cifar100", "standard"): "73.44",
    ("xcit-cifar100", "autoattack-linf"): "52.73",
}
QUOTED = [
    ("strict", "rt2-none", ["pgd-200-eot-20", "pgd-10-eot-10"]),
    ("strict", "rt2-atop", ["pgd-200-eot-20", "pgd-10-eot-10"]),
    ("strict", "rt1-atop", ["pgd-10-eot-10"]),
    ("strict", "rt3-atop", ["pgd-10-eot-10"]),
    ("strict", "fixed-mask", ["pgd-10"]),
    ("table7", "rt2-none-fixed-mask", ["pgd-10"]),
    ("table7", "rt2-atop-fixed-mask", ["pgd-10"]),
    ("table2", "xcit", ["standard", "autoattack-linf"]),
    ("table4", "xcit", ["standard", "autoattack-linf"]),
]


def shown(name: str) -> Table:
    return table(name, presets.get("paper"), extras=True)


def page(name: str, folder: Path) -> str:
    render(table=shown(name), results=folder, out=folder)
    return (folder / f"{name}.md").read_text()


def test_the_numbers_are_those_of_the_review() -> None:
    lines = numbers("public_review")
    assert {key: line["value"] for key, line in lines.items()} == NUMBERS
    with file("public_review").open(newline="") as text:
        assert len(list(csv.DictReader(text))) == len(NUMBERS)  # none twice
    for (_, column), line in lines.items():
        assert line["source"] == "public-review"
        assert line["n"] == ("64" if column == "pgd-200-eot-20" else "")
        assert ("64 images" in line["about"]) == (line["n"] == "64")
        assert line["about"].strip()


def test_what_the_paper_prints_too_agrees_with_it() -> None:
    """FGSM on the classifier is that of Table 7 without AToP; 64 images give the exact numbers."""
    paper, review = numbers("table7"), numbers("public_review")
    for row in ("rt1", "rt2", "rt3"):
        assert review[row, "fgsm-classifier"]["value"] == paper[f"{row}-none", "fgsm"]["value"]
    counts = [
        float(review[row, "pgd-200-eot-20"]["value"]) * 0.64 for row in ("rt2-none", "rt2-atop")
    ]
    assert counts == pytest.approx([36, 41], abs=0.01)


@pytest.mark.parametrize(("name", "row", "columns"), QUOTED)
def test_a_row_quotes_them(name: str, row: str, columns: list[str]) -> None:
    quotes = [quote for quote in shown(name).row(row).printed if quote.table == "public_review"]
    assert [quote.column for quote in quotes] == columns
    assert all((quote.row, quote.column) in NUMBERS for quote in quotes)


@pytest.mark.parametrize("name", ["strict", "table2", "table4", "table7"])
def test_a_page_says_where_they_come_from_and_how_they_were_measured(
    tmp_path: Path, name: str
) -> None:
    text = page(name, tmp_path)
    assert "| Authors' numbers, with their target |" in text
    (note,) = (line for line in text.splitlines() if line.startswith("- **Public review**"))
    assert "November 2023" in note
    assert "u7559ZMvwY" in note
    assert SOURCES["public_review"] in note
    lines = numbers("public_review")
    for table_name, row, columns in QUOTED:
        for quote in shown(name).row(row).printed if table_name == name else ():
            if quote.table == "public_review" and quote.column in columns:
                line = lines[quote.row, quote.column]
                assert f"{line['value']} (Public review, {line['about']})" in text
    assert str(file("public_review")).endswith("tables/paper/public_review.csv")
    assert "tables/paper/public_review.csv" in plan.of_table(shown(name))


def test_a_page_without_them_has_no_such_note(tmp_path: Path) -> None:
    usual = table("table7", presets.get("paper"))
    render(table=usual, results=tmp_path, out=tmp_path)
    text = (tmp_path / "table7.md").read_text()
    assert "ublic review**" not in text
    assert "Authors' numbers" not in text
    assert "tables/paper/public_review.csv" not in plan.of_table(usual)


def test_a_table_that_quotes_itself_is_read_once() -> None:
    files = plan.of_table(shown("table2"))
    assert len(files) == len(set(files))


@pytest.mark.parametrize("name", ["table2", "table4"])
def test_a_network_without_a_file_is_cited(tmp_path: Path, name: str) -> None:
    made = shown(name)
    frame = aggregate(table=made, results=tmp_path).frame
    lines = frame[frame["row"] == "xcit"].set_index("column")
    assert dict(lines["verdict"]) == {
        column.key: "cited" if column.key in ("standard", "autoattack-linf") else "not run"
        for column in made.columns
    }
    assert all("no file for XCiT" in reason for reason in lines["reason"])
    assert set(lines["cell"]) == {""}


def test_deviations_have_what_the_authors_said_there() -> None:
    rows = {row.id: " ".join([row.paper, row.code, row.here]) for row in config.deviations()}
    for row, words in {
        "B15": ["56.25", "64.06", "64 images", "issue 2"],
        "B18": ["not all experiments have 512", "64"],
        "B35": ["39.84", "72.66", "67.19"],
        "O7": ["22baaf7", "not known", "atop-authors"],
        "O22": ["fine-tuned with WideResNet-28-10", "WideResNet-70-16"],
        "O23": ["186 s", "1,469 s", "62 s"],
    }.items():
        assert all(word in rows[row] for word in words), row
