"""What is released is verified, renders as it is committed, and is what the READMEs quote."""

import re
from pathlib import Path

import pytest

from atop.__main__ import main
from atop.core.errors import AtopError
from atop.core.files import ROOT
from atop.experiment import config
from atop.reporting import quotes
from atop.reporting.render import render_released
from atop.results import released
from atop.results.records import Records
from atop.results.verify import verify

RECORDS = sorted((ROOT / "results" / "released").glob("*.jsonl"))
PAGES = ROOT / "tables" / "released"
PAIR = ("rt2-atop", "rt2-none")
README = (ROOT / "README.md").read_text()
ON_TABLES = " ".join((ROOT / "tables" / "README.md").read_text().split())


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_records_are_verified() -> None:
    found = verify(RECORDS)
    assert len(found.counts) >= 3
    assert all(found.counts.values())
    assert found.problems == []


def test_one_command_makes_every_page_as_it_is_committed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["released", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.split()
    made = {path.name for path in tmp_path.iterdir()}
    assert {Path(line).name for line in printed} == made
    tables = {
        f"{name}.{end}" for name in config.tables() for end in ("md", "diff.md", "tex", "csv")
    }
    figures = {path.name for path in PAGES.glob("*.svg")}
    assert made == {*tables, *figures, "FINDINGS.md"}
    assert figures
    for page in PAGES.glob("*.md"):
        assert (tmp_path / page.name).read_text() == page.read_text(), page.name


def test_every_table_has_a_page_even_without_records(tmp_path: Path) -> None:
    for name in config.tables():
        page = render_released(name=name, file=tmp_path / "none", out=tmp_path)[1].read_text()
        assert "preset paper" in page
        assert "not run" in page


def test_a_section_for_each_preset(tmp_path: Path) -> None:
    shown = released.sections("table7", released.read(released.file("table7")))
    assert [one.preset.name for one in shown] == ["native_cpu", "smoke"]
    page = render_released(name="table7", file=released.file("table7"), out=tmp_path)[1].read_text()
    headings = [f"Table 7, preset {one.preset}" for one in shown]
    assert re.findall(r"^# (.*)", page, re.M) == headings


def test_rows_that_nobody_asked_for_are_not_shown() -> None:
    content = released.read(released.file("table7"))
    fewer = {
        path: one
        for path, one in content.items()
        if one["preset"] == "native_cpu" or one["cell"]["seed"] == 0
    }
    native, smoke = released.sections("table7", fewer)
    keys = [{row.key for row in one.rows} for one in (native, smoke)]
    assert "rt2-atop-s1" in keys[0] - keys[1]  # extras of which there are records
    assert "dmae-atop" in keys[1] - keys[0]
    strict = released.sections("strict", released.read(released.file("strict")))[0]
    assert {row.key for row in strict.rows}.isdisjoint(strict.left_out())
    lone = {path: one for path, one in content.items() if one["cell"]["id"].endswith("undefended")}
    assert "rt1-atop" in {row.key for row in released.sections("table7", lone)[0].rows}


def test_recipes_of_the_records_choose_the_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = released.read(released.file("table7"))
    official: Records = {}
    for record in content.values():
        told = record["cell"]
        if (record["preset"], told["purifier"], told["recipe"]) == ("smoke", "deepfill", "paper"):
            cell = {**record["cell"], "recipe": "official"}
            cell["id"] = cell["id"].replace("-paper-", "-official-")
            wrong = [{**one, "predictions": [[0] * record["n"]]} for one in record["evaluations"]]
            made = {**record, "cell": cell, "evaluations": wrong}
            official[released.record_path(made)] = made
    assert official
    shown = released.sections("table7", content | official)
    recipes = [one.overrides.get("recipe") for one in shown if one.preset.name == "smoke"]
    assert recipes == [None, "official"]
    assert released.without_row("table7", content | official) == []
    file = tmp_path / "table7.jsonl"
    released.write(file, content | official)
    page = render_released(name="table7", file=file, out=tmp_path)[1].read_text()
    assert "# Table 7, preset smoke\n" in page
    assert "# Table 7, preset smoke, recipe official\n" in page
    before = quotes.number("table7", "smoke", "rt2-atop", "pgd-20")
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    quotes.read.cache_clear()
    assert quotes.number("table7", "smoke", "rt2-atop", "pgd-20") == before
    quotes.read.cache_clear()


def test_a_release_replaces_records_of_the_same_cells(tmp_path: Path) -> None:
    content, file = released.read(released.file("table7")), tmp_path / "table7.jsonl"
    released.write(file, content)
    assert released.read(file) == content
    where, record = next(iter(content.items()))
    made = released.sections("table7", {where: record})[0]
    lone = tmp_path / "results" / where.relative_to("results")
    lone.parent.mkdir(parents=True)
    lone.write_text(file.read_text().splitlines()[0].replace('"wall_s":', '"wall_s":1'))
    new, missing = released.release(made, tmp_path / "results", file)
    assert new == 1
    assert where not in missing
    after = released.read(file)
    assert after.keys() == content.keys()
    assert [one for one in content if after[one] != content[one]] == [where]


def test_nothing_to_release(tmp_path: Path) -> None:
    made = released.sections("table7", {})[0]
    with pytest.raises(AtopError, match="no record of table7 under preset paper"):
        released.release(made, tmp_path, tmp_path / "table7.jsonl")


def test_a_text_cannot_quote_what_was_not_measured(tmp_path: Path) -> None:
    for wrong in (
        "number('table7', 'smoke', 'rt2-atop', 'no-column')",
        "number('table2', 'paper', 'ours-wrn28', 'autoattack-linf')",
        "number('table7', 'native', 'rt2-atop', 'pgd-20')",
        "gap('table7', 'smoke', 'rt2-none', 'rt2-atop', 'pgd-20')",
        "paper('table7', 'undefended', 'pgd-20')",
        "benchmark('AMD EPYC', 'no step', 'seconds')",
    ):
        template = tmp_path / "text.md.j2"
        template.write_text("{{ " + wrong + " }}")
        with pytest.raises(AtopError, match="no "):
            quotes.fill(template, tmp_path / "text.md")


def test_what_a_text_quotes() -> None:
    pages = (PAGES / "table7.md").read_text()
    for preset in ("native_cpu", "smoke"):
        page = pages[pages.index(f"# Table 7, preset {preset}") :]
        accuracy, interval = quotes.number("table7", preset, "rt2-atop", "pgd-20").split("% ")
        assert f"**{accuracy}** {interval}" in page
        points, interval = quotes.gap("table7", preset, *PAIR, "pgd-20").split(" ", 1)
        assert f"**{points}** {interval}" in page
    twice = quotes.seeds("table7", "smoke", [PAIR, PAIR], "pgd-20")
    assert twice == f"{points}, sd 0.0, over 2 seeds ({points}, {points})"


def test_the_front_pages_table() -> None:
    ours = quotes.n("table7", "native_cpu", "rt2-atop", "pgd-20")
    strict_n = quotes.n("strict", "native_cpu", "rt2-atop", "worst")
    lines = [f"| test images n | 512 | {ours} | {strict_n} |"]
    for column, images in (("standard", "clean images"), ("pgd-20", "attacked")):
        for row, words in (("rt2-none", "without"), ("rt2-atop", "with")):
            strict = "clean" if column == "standard" else "worst"
            measured = quotes.number("table7", "native_cpu", row, column)
            under = quotes.number("strict", "native_cpu", row, strict)
            numbers = (quotes.paper("table7", row, column), measured, under)
            lines.append(f"| {images}, {words} AToP | {' | '.join(numbers)} |".replace("%", ""))
    gains = (
        quotes.paper_gap("table7", *PAIR, "pgd-20"),
        quotes.gap("table7", "native_cpu", *PAIR, "pgd-20"),
        quotes.gap("strict", "native_cpu", *PAIR, "worst"),
    )
    lines.append(f"| gain of AToP, attacked, in points | {' | '.join(gains)} |")
    beyond = quotes.beyond("table7", "native_cpu", *PAIR, "pgd-20")
    paper = quotes.paper_beyond("table7", *PAIR, "pgd-20")
    lines.append(f"| that gain minus the gain on clean images | {paper} | {beyond} | both near 0")
    for line in lines:
        assert line in README


def test_the_front_page_says_first_that_nothing_is_in_regime() -> None:
    claim = "**No row measured so far is in the regime of the paper's claims"
    assert README.index(claim) < README.index("| test images n |")
    grey_box, strict = (quotes.regime(name, "native_cpu") for name in ("table7", "strict"))
    for name in ("table7", "strict"):
        for preset, whole in quotes.read(name).items():
            assert len(quotes.regime(name, preset)) == len(whole.groups) > 0
    assert all(
        "no attack lowers its accuracy by 10 points" in reasons for reasons in grey_box.values()
    )
    assert "not clearly better on clean images" in strict["RT2"]


def test_what_the_front_page_says_of_its_table() -> None:
    text = " ".join(README.split())
    nothing = quotes.gap("table7", "native_cpu", "rt2-continued", "rt2-none", "pgd-20")
    assert f"gains nothing ({nothing} points under PGD-20)" in text
    tuned = quotes.number("strict", "native_cpu", "tuned-classifier", "worst").replace("%", "")
    assert f"leaves {tuned} to a classifier that was tuned on t(x)" in text


@pytest.mark.parametrize("column", ["standard", "pgd-20"])
@pytest.mark.parametrize(
    ("first", "second"),
    [("rt2-atop", "rt2-none"), ("rt2-atop", "rt2-continued"), ("dmae-atop", "dmae-none")],
)
def test_the_example_on_reading_a_table(first: str, second: str, column: str) -> None:
    points, low, high = in_figures(quotes.gap("table7", "smoke", first, second, column))
    assert f"{points} [{low}, {high}]" in ON_TABLES


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("rt1-grey", "at all, leaves {} of clean images"),
        ("rt1-none", "the trained purifier {},"),
        ("rt1-atop", "AToP {}, the bare"),
        ("undefended", "the bare classifier {}."),
    ],
)
def test_the_controls_of_that_example(row: str, words: str) -> None:
    clean = quotes.number("table7", "smoke", row, "standard").partition(" ")[0]
    assert words.format(clean) in ON_TABLES


def in_figures(text: str) -> list[str]:
    """The figures of a text, without their signs."""
    return re.findall(r"[\d.]+", text)


def test_records_are_of_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["released", "--records", "mine.jsonl"]) == 2
    assert "--records needs --table" in capsys.readouterr().err
