"""Where no claim about AToP is drawn, and that a reader is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.suite_records import write_suite

from atop.core.files import ROOT, read_json, write_json
from atop.experiment import presets, tables
from atop.experiment.tables import Table
from atop.reporting import quotes
from atop.reporting.aggregate import Aggregate, aggregate
from atop.reporting.render import render
from atop.reporting.report.making import report
from atop.results import regime, released

MARK = "<br>not in regime"
NEITHER = {"rt1-no-purifier": 0.5, "rt1-grey": 0.6}


def table(name: str = "table7", **words: Any) -> Table:
    return tables.table(name, presets.get("paper"), **words)


def write(
    results: Path, rate: float, attacked: float, controls: dict[str, float], **entries: float
) -> Aggregate:
    """Table 7 with RT1: a row without AToP and its controls at these rates, and one with AToP."""
    made = table()
    write_suite(results, made, "rt1-none", rate=rate, attacked=attacked, **entries)
    write_suite(results, made, "rt1-atop", rate=0.9, attacked=0.85)
    for row, right in controls.items():
        write_suite(results, made, row, rate=right)
    return aggregate(table=made, results=results)


def found(whole: Aggregate) -> list[dict[str, Any]]:
    return [one for one in whole.findings if one["name"] == "not-in-regime"]


def test_a_row_that_beats_its_controls_and_is_attacked_is_in_regime(tmp_path: Path) -> None:
    whole = write(tmp_path, 0.8, 0.4, NEITHER)
    assert [group.reasons for group in whole.groups] == [()]
    assert found(whole) == []
    assert regime.sentence(whole.groups) == ""


@pytest.mark.parametrize("control", NEITHER)
@pytest.mark.parametrize("right", [0.79, 0.9])  # two or three in two hundred prove nothing
def test_a_row_that_is_no_better_than_a_control_is_out_of_it(
    tmp_path: Path, control: str, right: float
) -> None:
    whole = write(tmp_path, 0.8, 0.4, {**NEITHER, control: right})
    (reason,) = whole.groups[0].reasons
    name = whole.table.row(control).labels[0]
    assert reason.startswith("not clearly better on clean images (")
    assert f") than {name} (" in reason
    assert reason.endswith("], n = 200")
    (one,) = found(whole)
    assert one["rows"] == ["rt1-none", "rt1-atop"]
    assert one["text"] == f"RT1 without AToP: {reason}. No claim about AToP is drawn"


def test_the_difference_is_told_with_its_sign_and_interval(tmp_path: Path) -> None:
    whole = write(tmp_path, 0.8, 0.4, {"rt1-grey": 1.0})
    (reason,) = whole.groups[0].reasons
    own = reason.partition("(")[2].partition("%")[0]
    assert f"than RT1, grey fill (100.0%): −{100 - float(own):.1f} points [−" in reason


def test_a_row_that_no_attack_touches_is_out_of_regime(tmp_path: Path) -> None:
    """Each attack leaves the same examples right, but for those that it takes."""
    whole = write(tmp_path, 1.0, 1.0, NEITHER, pgd_20=0.95)
    (reason,) = whole.groups[0].reasons
    taken = 100 - quoted(whole, "pgd-20")
    assert reason.startswith(
        "no attack lowers its accuracy by 10 points: "
        f"PGD-20 lowers it most, by {taken:.1f} points ["
    )
    assert reason.endswith("], n = 200")


def quoted(whole: Aggregate, column: str) -> float:
    frame = whole.frame
    line = frame[(frame["row"] == "rt1-none") & (frame["column"] == column)].iloc[0]
    return float(line["measured"])


@pytest.mark.parametrize(("wrong", "reasons"), [(19, 1), (20, 0)])
def test_ten_points_are_enough(tmp_path: Path, wrong: int, reasons: int) -> None:
    made, whole = table(), write(tmp_path, 1.0, 1.0, {})
    path = tmp_path / whole_path(whole).relative_to("results")
    content = read_json(path)
    content["evaluations"][1]["predictions"] = [
        [(label + 1) % 10 if i < wrong else label for i, label in enumerate(content["labels"])]
    ]
    write_json(path, content)
    (group,) = aggregate(table=made, results=tmp_path).groups
    assert len(group.reasons) == reasons


def whole_path(whole: Aggregate) -> Path:
    path = whole.table.record(whole.table.row("rt1-none"), whole.table.column("fgsm"))
    assert path
    return path


def test_both_conditions_are_told_and_what_was_not_run_says_nothing(tmp_path: Path) -> None:
    assert len(write(tmp_path / "a", 0.8, 0.8, {"rt1-grey": 0.9}).groups[0].reasons) == 2
    alone = write(tmp_path / "b", 0.8, 0.4, {})
    assert alone.groups[0].reasons == ()
    made = table()
    write_suite(tmp_path / "c", made, "rt1-grey", rate=0.9)
    write_suite(tmp_path / "c", made, "rt1-atop", rate=0.9)
    assert aggregate(table=made, results=tmp_path / "c").groups == []


def test_a_control_on_other_examples_says_nothing(tmp_path: Path) -> None:
    made = table()
    write_suite(tmp_path, made, "rt1-none", rate=0.8, attacked=0.4)
    write_suite(tmp_path, made, "rt1-grey", rate=0.9, n=100)
    assert aggregate(table=made, results=tmp_path).groups[0].reasons == ()


def test_a_control_of_another_transform_says_nothing(tmp_path: Path) -> None:
    whole = write(tmp_path, 0.8, 0.4, {"rt2-grey": 0.9, "undefended": 0.95})
    assert whole.groups[0].reasons == ()


def test_a_large_ball_is_no_attack_of_the_tables_threat(tmp_path: Path) -> None:
    made = table("convergence")
    write_suite(tmp_path, made, "rt2-none", rate=0.8, conv_eps_128=0.0, conv_noise_128=0.0)
    (group,) = aggregate(table=made, results=tmp_path).groups
    assert group.reasons[0].startswith("no attack lowers its accuracy by 10 points")
    write_suite(tmp_path, made, "rt2-none", rate=0.8, strict_pgd=0.4)
    assert aggregate(table=made, results=tmp_path).groups[0].reasons == ()


def test_an_attack_is_held_against_clean_images_of_its_own_size(tmp_path: Path) -> None:
    """At the dataset's own size less may be right before any attack."""
    made = table("table8")
    native = {f"table8_native_{end}": 0.5 for end in ("10", "20", "20_half")}
    rates = {"rate": 0.95, "attacked": 0.95, "clean_native": 0.5, **native}
    write_suite(tmp_path, made, "rt1-none", **rates)  # type: ignore[arg-type]
    assert len(aggregate(table=made, results=tmp_path).groups[0].reasons) == 1
    write_suite(tmp_path, made, "rt1-none", **rates | {"clean_native": 0.95})  # type: ignore[arg-type]
    assert aggregate(table=made, results=tmp_path).groups[0].reasons == ()


def test_seeds_and_datasets_are_groups_of_their_own(tmp_path: Path) -> None:
    made = table(extras=True)
    for row, attacked in (("rt2-none", 0.8), ("rt2-none-s1", 0.4), ("rt1-none", 0.8)):
        write_suite(tmp_path, made, row, rate=0.8, attacked=attacked)
    groups = aggregate(table=made, results=tmp_path).groups
    assert [group.label for group in groups] == ["RT1", "RT2 (seed 0)", "RT2 (seed 1)"]
    told = "No claim about AToP is drawn for {}: not in regime (see findings)."
    assert regime.sentence(groups) == told.format("RT1, RT2 (seed 0)")
    write_suite(tmp_path, made, "rt2-none-s1", rate=0.8, attacked=0.8)
    assert regime.sentence(aggregate(table=made, results=tmp_path).groups) == told.format(
        "RT1, RT2"
    )


def test_a_seed_has_the_controls_of_its_transform(tmp_path: Path) -> None:
    made = table(extras=True)
    write_suite(tmp_path, made, "rt2-none-s1", rate=0.8, attacked=0.4)
    write_suite(tmp_path, made, "rt2-grey", rate=0.9)
    (group,) = aggregate(table=made, results=tmp_path).groups
    assert "RT2, grey fill" in group.reasons[0]


def test_pairs_of_a_row_with_and_without_atop_are_marked(tmp_path: Path) -> None:
    made = table(extras=True)
    for row in ("rt1-none", "rt1-atop", "rt1-continued", "rt1-grey", "rt2-none", "rt2-atop"):
        out = row.startswith("rt1")
        write_suite(tmp_path, made, row, rate=0.8, attacked=0.8 if out else 0.4)
    render(table=made, results=tmp_path, out=tmp_path / "out")
    text = (tmp_path / "out" / "table7.md").read_text()
    pairs = text.partition("## Compared on the same examples")[2].splitlines()
    counts = {tuple(line.strip("| ").split(" | ")[:2]): line.count(MARK) for line in pairs}
    assert counts["RT1, AToP yes", "RT1, AToP no"] == len(made.columns)
    assert counts["RT1, AToP yes", "RT1, AToP continued"] == len(made.columns)
    assert counts["RT1, AToP no", "RT1, grey fill"] == 0
    assert counts["RT2, AToP yes", "RT2, AToP no"] == 0
    assert counts["RT2, AToP yes", "RT1, AToP yes"] == 0  # says nothing of AToP
    assert r"\newline not in regime" in (tmp_path / "out" / "table7.tex").read_text()


def test_the_first_sentences_of_table_and_page_say_so(tmp_path: Path) -> None:
    whole = write(tmp_path, 0.8, 0.8, NEITHER)
    told = "No claim about AToP is drawn for RT1: not in regime (see findings)."
    render(table=whole.table, results=tmp_path, out=tmp_path / "out")
    head = (tmp_path / "out" / "table7.md").read_text().partition("| Transforms |")[0]
    assert told in head
    assert told in (tmp_path / "out" / "table7.diff.md").read_text()
    assert told[:-1] in (tmp_path / "out" / "table7.tex").read_text()
    page = report(tables=[whole.table], results=tmp_path, out=tmp_path).read_text()
    glance = page.partition('id="glance"')[2].partition("</section>")[0]
    assert f"<strong>{told}</strong>" in glance


def test_a_column_of_another_dataset_is_marked_by_itself(tmp_path: Path) -> None:
    made = table("table5")
    for column, attacked in (("standard", 0.4), ("cifar100-autoattack-linf", 0.8)):
        for row in ("ughini2022-none", "ughini2022-atop"):
            write_suite(tmp_path, made, row, rate=0.8, attacked=attacked, column=column)
    whole = aggregate(table=made, results=tmp_path)
    assert [group.label for group in whole.groups] == ["RT2 (cifar10)", "RT2 (cifar100)"]
    assert [bool(group.reasons) for group in whole.groups] == [False, True]
    render(table=made, results=tmp_path, out=tmp_path / "out")
    text = (tmp_path / "out" / "table5.md").read_text()
    lines = [one for one in text.splitlines() if "+ AToP | Ughini" in one]
    cells = [cell for one in lines for cell in one.strip("| ").split(" | ")[2:]]
    there = [column.cell.get("dataset") == "cifar100" for column in made.columns]
    assert [MARK in cell for cell in cells] == there


def test_no_claim_is_drawn_from_the_released_records_of_native_cpu() -> None:
    file = released.file("table7")
    content = [json.loads(line) for line in (ROOT / file).read_text().splitlines()]
    assert any(record["preset"] == "native_cpu" for record in content)
    said = quotes.regime("table7", "native_cpu")
    assert said.keys() == {"RT1", "RT2 (seed 0)", "RT2 (seed 1)", "RT2 (seed 2)", "RT3"}
    assert all("no attack lowers its accuracy by 10 points" in why for why in said.values())
    assert "FGSM lowers it most, by 1.6 points [0.4, 2.8], n = 512" in said["RT2 (seed 0)"]
    assert "RT2, no purifier" in quotes.regime("strict", "native_cpu")["RT2"]
