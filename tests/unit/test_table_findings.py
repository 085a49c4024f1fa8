"""Findings of a table: rows that do not fit each other, and what single records say."""

from pathlib import Path

import pytest
from support.aggregates import line, made, names, own, strict
from support.synthetic_records import RIGHT, N, cell_of, record, where, write_records, write_strict

from atop.core.files import read_json, write_json
from atop.experiment import presets
from atop.experiment.tables import table
from atop.reporting.aggregate import aggregate

pytestmark = pytest.mark.usefixtures("small_config")

FLAT = {"probe": {"zero_gradient": 0.1, "examples": 30}}
FLAT_FOUND = {
    "name": "zero-gradient",
    "text": "cross-entropy has no gradient for 10.0% of 30 probed images",
}


def test_older_code_is_a_finding(tmp_path: Path) -> None:
    seven = table("table7", presets.get("paper"))
    cell = cell_of(seven, "rt1-none")
    provenance = record(cell, preset="paper", right=RIGHT["rt1-none"])["provenance"]
    older = {"provenance": {**provenance, "code_sha": "old", "created": "2025-01-01T00:00:00"}}
    whole = made(tmp_path, rt1_none=older)
    assert [(f["name"], f["rows"]) for f in own(whole)] == [("different-code", ["rt1-none"])]


def test_older_code_of_a_training_or_an_attack_is_a_finding(tmp_path: Path) -> None:
    old = {"code_sha": "old", "created": "2025-01-01T00:00:00"}
    whole = made(tmp_path, rt2_none={"training": {"settings": {}, "provenance": old}})
    assert [(f["name"], f["rows"]) for f in own(whole)] == [("different-code", ["rt2-none"])]


def test_unequal_adversarial_sets_and_old_budgets_are_findings(tmp_path: Path) -> None:
    seven = write_records(tmp_path / "results", "paper")
    path = where(tmp_path / "results", "paper", cell_of(seven, "rt1-none"))
    content = read_json(path)
    content["evaluations"][1]["adversarial"]["sha256"] = "another"
    content["evaluations"][2]["budget"]["steps"] = 10
    write_json(path, content)
    whole = aggregate(table=seven, results=tmp_path / "results")
    assert names(whole) == ["different-adversarial-sets", "different-budget"]


def test_equal_findings_of_records_are_told_once(tmp_path: Path) -> None:
    whole = made(tmp_path, rt1_none=FLAT, rt1_atop=FLAT)
    assert own(whole) == [{**FLAT_FOUND, "rows": ["rt1-none", "rt1-atop"]}]


def test_what_a_record_says_of_itself_is_worked_out_anew(tmp_path: Path) -> None:
    """New rules reach old records, and what older ones found is not told."""
    stored = {"findings": [{"name": "of-another-day", "text": "so"}]}
    assert names(made(tmp_path, rt1_none=FLAT | stored)) == ["zero-gradient"]


def test_a_set_made_on_the_bare_classifier_goes_to_every_row(tmp_path: Path) -> None:
    made = write_strict(tmp_path, "paper")
    path = where(tmp_path, "paper", cell_of(made, "rt2-atop"), "strict", "defense")
    content = read_json(path)
    content["evaluations"][1]["adversarial"]["sha256"] = "its own, as it must be"
    write_json(path, content)
    assert names(aggregate(table=made, results=tmp_path)) == []
    content["evaluations"][2]["adversarial"]["sha256"] = "another"
    write_json(path, content)
    whole = aggregate(table=made, results=tmp_path)
    assert names(whole) == ["different-adversarial-sets"]
    found = whole.findings[0]
    assert found["text"].startswith("pgd on cifar10-resnet18-undefended: ")
    assert found["rows"] == ["rt2-atop", "no-purifier"]


def test_a_worst_case_picked_by_luck_is_a_finding(tmp_path: Path) -> None:
    made = write_strict(tmp_path, "paper")
    assert names(aggregate(table=made, results=tmp_path)) == []
    path = where(tmp_path, "paper", cell_of(made, "rt2-atop"), "strict", "defense")
    content = read_json(path)
    pgd = next(one for one in content["evaluations"] if one["attack"] == "pgd")
    pgd["predictions"] = [[-1] * N] * 4  # all wrong, which its selection draws do not foretell
    write_json(path, content)
    whole = aggregate(table=made, results=tmp_path)
    assert names(whole) == ["worst-case-above-an-attack"] * 2
    worst = line(whole, "rt2-atop", "worst")["measured"]
    assert whole.findings[0] == {
        "name": "worst-case-above-an-attack",
        "text": f"Worst case ({worst:.1f}%) is above pgd (0.0%), one of its attacks: "
        "3 selection draws are too few to pick the worst",
        "rows": ["rt2-atop"],
    }


def test_a_finding_names_every_row_of_its_record(tmp_path: Path) -> None:
    found = strict(tmp_path, "smoke", rt2_atop=FLAT).findings
    assert {**FLAT_FOUND, "rows": ["rt2-atop", "wrn28"]} in found
