"""The first screen: what came out how, and the same defence under two attackers."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from support.suite_records import write_suite

from atop.core import stats
from atop.experiment import presets
from atop.experiment.paper import title
from atop.experiment.tables import Table, table
from atop.reporting import figures
from atop.reporting.aggregate import aggregate
from atop.reporting.render import render
from atop.reporting.report import glance
from atop.reporting.report.making import report

VERDICTS = [
    ("consistent", "50"), ("higher", "50"), ("lower", "50"), ("lower", ""), ("inconclusive", "50"),
    ("not comparable", "50"), ("cited", "50"), ("not run", "50"), ("not run", ""),
    ("not in the paper", ""),
]  # fmt: skip


class Counted:
    """A table with one number of every kind."""

    table = table("table7", presets.get("paper"))
    findings = ({"name": "odd"},)
    groups = ()
    frame = pd.DataFrame(
        [
            (verdict, paper, None if verdict in ("cited", "not run") else 50.0, "", "", "")
            for verdict, paper in VERDICTS
        ],
        columns=["verdict", "paper", "measured", "cell", "column", "target"],
    )


@pytest.fixture
def tables() -> list[Table]:
    return [table(name, presets.get("paper")) for name in ("table7", "strict")]


def seen(tables: list[Table], results: Path, out: Path) -> str:
    return report(tables=tables, results=results, out=out).read_text()


def test_every_verdict_on_a_printed_number_is_one_outcome() -> None:
    judged = [verdict for verdicts in glance.OUTCOMES.values() for verdict in verdicts]
    assert sorted(judged) == sorted([*stats.VERDICTS, "cited", "not run"])


def test_outcomes_count_printed_numbers_alone() -> None:
    said = glance.glance([Counted()])  # type: ignore[list-item]
    assert [count for _, count, _ in said["outcomes"]] == [1, 2, 1, 1, 1, 1]
    (one,) = said["tables"]
    assert one["counts"] == {
        "consistent": 1, "inconclusive": 1, "higher": 1, "lower": 2, "not comparable": 1,
        "not in the paper": 1, "cited": 1, "not run": 2,
    }  # fmt: skip
    assert (one["printed"], one["measured"], one["findings"]) == (7, 7, 1)
    (lines,) = said["chart"]["datasets"].values()
    assert [(line["outcome"], line["count"]) for line in lines] == [
        (outcome, count) for outcome, count, _ in said["outcomes"]
    ]
    scale = said["chart"]["encoding"]["color"]["scale"]
    assert scale == {"domain": list(glance.COLOURS), "range": list(glance.COLOURS.values())}


@pytest.mark.slow
def test_the_first_screen_says_outcomes_and_leads_to_findings(
    tables: list[Table], tmp_path: Path
) -> None:
    write_suite(tmp_path, tables[0], "rt2-atop", rate=0.85)
    write_suite(tmp_path, tables[1], "rt2-atop", rate=0.6)
    text = seen(tables, tmp_path, tmp_path)
    first = text.partition('<ul class="outcomes">')[2].partition("</section>")[0]
    told = re.findall(r'color: (#\w+)"><strong>(\d+)</strong> ([\w ]+)<', first)
    assert [name for _, _, name in told] == list(glance.OUTCOMES)
    assert [colour for colour, _, _ in told] == list(glance.COLOURS.values())
    frames = [aggregate(table=one, results=tmp_path) for one in tables]
    assert sum(int(count) for _, count, _ in told) == 36
    assert {name: int(count) for _, count, name in told}["not run"] == 30
    for whole in frames:
        link = f'<a href="#{whole.table.name}-findings">'
        assert (f"{link}{title(whole.table.name)}" in first) == bool(whole.findings)
    assert 'id="strict-findings"' in text
    assert 'id="chart-outcomes"' in first


@pytest.mark.slow
def test_two_attackers_stand_side_by_side(tables: list[Table], tmp_path: Path) -> None:
    for row in ("rt2-atop", "rt1-atop"):
        cell = write_suite(tmp_path, tables[0], row, rate=0.85)
    write_suite(tmp_path, tables[0], "rt1-none", rate=0.85)
    write_suite(tmp_path, tables[1], "rt2-atop", rate=0.3)
    wholes = [aggregate(table=one, results=tmp_path) for one in tables]
    (line,) = glance.both(wholes)
    assert line["cell"] == cell.id.replace("rt1", "rt2")
    frames = [whole.frame[whole.frame["cell"] == line["cell"]] for whole in wholes]
    grey = frames[0][frames[0]["column"] == "pgd-20"].iloc[0]
    strict = frames[1][frames[1]["column"] == "worst"].iloc[0]
    for told, measured in ((line["grey"], grey), (line["strict"], strict)):
        assert told["value"] == f"{measured['measured']:.1f}"
        assert told["interval"] == f"[{measured['low']:.1f}, {measured['high']:.1f}]"
        assert told["n"] == 200
    anchors = [f"{line['cell']}-table7-classifier", f"{line['cell']}-strict-defense"]
    assert [line["grey"]["anchors"], line["strict"]["anchors"]] == [[one] for one in anchors]
    text = seen(tables, tmp_path, tmp_path)
    part = text.partition("two attackers")[2].partition("</table>")[0]
    assert line["row"] in part
    assert part.index(line["grey"]["interval"]) < part.index(line["strict"]["interval"])
    assert part.count("20 steps") == 1
    links = re.findall(r'<a href="#([^"]+)">([\d.]+)<', part)
    assert links == [(anchors[0], line["grey"]["value"]), (anchors[1], line["strict"]["value"])]
    assert glance.both(wholes[:1]) == []


def test_imagenette_has_its_grey_box_in_table_9(tmp_path: Path) -> None:
    made = {name: table(name, presets.get("paper")) for name in ("table7", "table9", "strict")}
    write_suite(tmp_path, made["table7"], "rt2-atop", rate=0.85)
    write_suite(tmp_path, made["table9"], "rt2-atop", rate=0.85)
    for row in ("rt2-atop", "imagenette-rt2", "imagenette-rt3"):
        write_suite(tmp_path, made["strict"], row, rate=0.3)
    lines = glance.both([aggregate(table=one, results=tmp_path) for one in made.values()])
    cells = [made[name].cell(made[name].row("rt2-atop")) for name in ("table7", "table9")]
    assert [line["cell"] for line in lines] == [cell.id for cell in cells if cell]
    assert "ImageNette" in lines[1]["row"]
    assert lines[1]["grey"]["anchors"] == [f"{lines[1]['cell']}-table7-classifier"]


def test_of_rows_that_run_the_same_cell_the_first_is_named(tmp_path: Path) -> None:
    tables = [table("table7", presets.get("smoke")), table("strict", presets.get("smoke"))]
    rows = {row.key: tables[1].cell(row) for row in tables[1].rows}
    (first, *others) = [key for key, cell in rows.items() if cell == rows["rt2-atop"]]
    assert others
    write_suite(tmp_path, tables[0], "rt2-atop", rate=0.85)
    write_suite(tmp_path, tables[1], "rt2-atop", rate=0.3)
    wholes = [aggregate(table=one, results=tmp_path) for one in tables]
    (line,) = glance.both(wholes)
    frame = wholes[1].frame
    assert line["row"] == frame[frame["row"] == first].iloc[0]["labels"]


def test_an_attack_on_something_else_is_no_grey_box(tables: list[Table], tmp_path: Path) -> None:
    whole = table("table7", presets.get("paper"), target="defense")
    write_suite(tmp_path, tables[0], "rt2-atop", rate=0.85)
    made = tmp_path.rglob("table7-classifier.json")
    for path in list(made):
        content = json.loads(path.read_text()) | {"target": "defense"}
        path.with_name("table7-defense.json").write_text(json.dumps(content))
    write_suite(tmp_path, tables[1], "rt2-atop", rate=0.3)
    wholes = [aggregate(table=one, results=tmp_path) for one in (whole, tables[1])]
    assert wholes[0].records
    assert glance.both(wholes) == []


def test_nothing_under_both_is_said(tables: list[Table], tmp_path: Path) -> None:
    text = seen(tables, tmp_path, tmp_path)
    assert "No defence was measured yet under both" in text


@pytest.mark.slow
def test_the_smoke_page_shows_convergence_where_it_lies(tmp_path: Path) -> None:
    made = table("convergence", presets.get("smoke"))
    text = seen([made], tmp_path, tmp_path)
    missing = text.partition("Its figure is not drawn yet")[2].partition("</p>")[0]
    assert "it takes minutes" in missing
    assert f"<code>snakemake --cores all -- {tmp_path / 'convergence.svg'}</code>" in missing
    write_suite(tmp_path, made, "rt2-atop", rate=0.6)
    render(table=made, results=tmp_path, out=tmp_path)
    figures.plot(tmp_path / "convergence.csv", [tmp_path / "convergence.svg"])
    text = seen([made], tmp_path, tmp_path)
    part = text.partition('<h2 id="convergence">')[2].partition("</section>")[0]
    assert '<img src="data:image/svg+xml;base64,' in part
    assert "not drawn yet" not in part
    assert part.count('href="#cifar10_slice-') > 20


def test_only_what_takes_minutes_is_said_to(tmp_path: Path) -> None:
    text = seen(
        [table("figure4", presets.get("smoke")), table("convergence", presets.get("paper"))],
        tmp_path,
        tmp_path,
    )
    assert text.count("Its figure is not drawn yet") == 2
    assert "it takes minutes" not in text
