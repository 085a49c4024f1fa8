"""Records and the paper's numbers in one frame."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from support.synthetic_config import use_config
from support.synthetic_records import RIGHT, N, cell_of, record, where, write_records, write_strict

from atop.core.errors import AtopError
from atop.core.files import read_json, write_json
from atop.experiment import config
from atop.experiment.paper import numbers
from atop.experiment.tables import table
from atop.reporting.aggregate import COLUMNS, Aggregate, _position, aggregate
from atop.reporting.notes import notes

FLAT = {"probe": {"zero_gradient": 0.1, "examples": 30}}
FLAT_FOUND = {
    "name": "zero-gradient",
    "text": "10.0% of 30 probed pictures have no gradient of cross-entropy",
}


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    use_config(tmp_path / "config", monkeypatch)
    yield
    config.forget()


def made(tmp_path: Path, preset: str = "paper", **changes: Any) -> Aggregate:
    seven = write_records(tmp_path / "results", preset, **changes)
    return aggregate(table=seven, results=tmp_path / "results")


def line(whole: Aggregate, row: str, column: str) -> "pd.Series[Any]":
    frame = whole.frame
    return frame[(frame["row"] == row) & (frame["column"] == column)].iloc[0]


def pair(frame: pd.DataFrame, first: str) -> "pd.Series[Any]":
    return frame[(frame["first"] == first) & (frame["column"] == "fgsm")].iloc[0]


EVERYWHERE = ("not-in-regime", "stochasticity-carries-robustness", "metrics-disagree")
"""Findings that made-up records have anyway; test_regime.py, test_checks.py and test_pairs.py."""


def own(whole: Aggregate) -> list[dict[str, Any]]:
    """Its findings but for EVERYWHERE."""
    return [finding for finding in whole.findings if finding["name"] not in EVERYWHERE]


def names(whole: Aggregate) -> list[str]:
    return [finding["name"] for finding in own(whole)]


def test_a_line_per_row_and_column(tmp_path: Path) -> None:
    whole = made(tmp_path)
    assert list(whole.frame.columns) == COLUMNS
    assert len(whole.frame) == 6 * 3
    found = line(whole, "rt1-atop", "fgsm")
    assert (found["measured"], found["n"], found["draws"], found["seeds"]) == (75.0, N, 1, 1)
    assert (found["paper"], found["paper_n"], found["paper_source"]) == (
        "91.99",
        "512",
        "atop-subset",
    )
    assert found["difference"] == pytest.approx(75.0 - 91.99)
    assert found["difference_low"] < found["difference"] < found["difference_high"] < -5
    assert (found["verdict"], found["labels"]) == ("lower", "RT1, AToP yes")


def test_verdicts_look_both_ways(tmp_path: Path) -> None:
    whole = made(tmp_path)
    assert line(whole, "rt1-atop", "pgd-1000")["verdict"] == "inconclusive"
    assert line(whole, "rt2-none", "standard")["verdict"] == "lower"
    assert line(whole, "undefended", "fgsm")["verdict"] == "not in the paper"
    assert line(whole, "undefended", "fgsm")["control"]


def test_missing_cells_say_why(tmp_path: Path) -> None:
    whole = made(tmp_path)
    missing, closed = line(whole, "rt2-atop", "fgsm"), line(whole, "rt3-atop", "fgsm")
    path = "results/paper/records/cifar10-resnet18-deepfill-places2-rt2-adversarial-paper-s0"
    assert (missing["verdict"], closed["verdict"]) == ("not run", "cited")
    assert (
        f"snakemake --cores all --resources gpu=1 -- {path}/table7-classifier.json"
        in (missing["reason"])
    )
    assert closed["reason"] == "needs weights that are not public"
    assert pd.isna(missing["measured"])
    assert missing["paper"] == "89.84"


def test_an_attack_that_a_record_lacks_is_not_run(tmp_path: Path) -> None:
    seven = table("table7", "paper")
    write_records(tmp_path / "results", "paper")
    path = where(tmp_path / "results", "paper", cell_of(seven, "rt1-none"))
    content = read_json(path)
    content["evaluations"] = content["evaluations"][:2]
    write_json(path, content)
    whole = aggregate(table=seven, results=tmp_path / "results")
    found = line(whole, "rt1-none", "pgd-1000")
    assert found["verdict"] == "not run"
    assert "lacks the attack pgd-1000" in found["reason"]


def test_smoke_is_not_comparable_and_keeps_the_difference(tmp_path: Path) -> None:
    found = line(made(tmp_path, "smoke"), "rt1-atop", "pgd-1000")
    assert (found["verdict"], found["reason"]) == ("not comparable", "preset smoke")
    assert found["difference"] == pytest.approx(40.0 - 39.45)
    assert found["budget"].endswith("50 steps (paper preset: 1000)")


def test_another_start_is_not_comparable(tmp_path: Path) -> None:
    seven = table("table7", "paper", init="scratch")
    cell = cell_of(seven, "rt1-none")
    content = record(cell, preset="paper", right=RIGHT["rt1-none"])
    write_json(where(tmp_path / "results", "paper", cell), content)
    whole = aggregate(table=seven, results=tmp_path / "results")
    assert line(whole, "rt1-none", "fgsm")["reason"] == "another initialisation (scratch)"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"verified": None}, "nobody verified that the pictures are the published ones"),
        ({"verified": "archive", "positions": "found"}, ""),
    ],
)
def test_pictures_that_nobody_verified_are_not_comparable(
    tmp_path: Path, data: dict[str, Any], reason: str
) -> None:
    seven = table("table7", "paper")
    write_records(tmp_path / "results", "paper")
    path = where(tmp_path / "results", "paper", cell_of(seven, "rt1-none"))
    content = read_json(path)
    content["provenance"]["data"] |= data
    write_json(path, content)
    whole = aggregate(table=seven, results=tmp_path / "results")
    found = line(whole, "rt1-none", "fgsm")
    assert found["reason"] == reason
    assert (found["verdict"] == "not comparable") == bool(reason)
    (said,) = [text for heading, text in notes(whole) if heading == "Data"]
    assert said.startswith("cifar10: ")
    assert ("nobody verified" in said) == bool(reason)
    assert ("another order than published" in said) == (data.get("positions") == "found")


def test_records_of_another_target_are_other_files(tmp_path: Path) -> None:
    write_records(tmp_path, "paper")
    whole = aggregate(table=table("table7", "paper", target="defense"), results=tmp_path)
    assert set(whole.frame["verdict"]) == {"not run", "cited"}
    assert set(whole.frame["target"]) == {"defense"}
    assert not whole.records


def test_pairs_on_the_same_examples(tmp_path: Path) -> None:
    pairs = made(tmp_path).pairs
    found = pair(pairs, "rt1-atop")
    assert found["difference"] == pytest.approx(65.0)
    assert 50 < found["low"] < 65 < found["high"]
    assert found["p"] < 1e-6
    assert pair(pairs, "rt2-atop")["reason"] == "not run"


def test_pairs_refuse_other_examples(tmp_path: Path) -> None:
    other = {"indices": list(range(1, N + 1))}
    whole = made(tmp_path, rt1_none=other)
    found = pair(whole.pairs, "rt1-atop")
    assert found["reason"] == "measured on other examples"
    assert pd.isna(found["difference"])
    assert names(whole) == ["different-examples"]


def test_older_code_is_a_finding(tmp_path: Path) -> None:
    seven = table("table7", "paper")
    cell = cell_of(seven, "rt1-none")
    provenance = record(cell, preset="paper", right=RIGHT["rt1-none"])["provenance"]
    older = {"provenance": {**provenance, "code_sha": "old", "created": "2025-01-01T00:00:00"}}
    whole = made(tmp_path, rt1_none=older)
    assert [(f["name"], f["rows"]) for f in own(whole)] == [("different-code", ["rt1-none"])]


def test_older_code_of_a_training_or_an_attack_is_a_finding(tmp_path: Path) -> None:
    old = {"code_sha": "old", "created": "2025-01-01T00:00:00"}
    whole = made(tmp_path, rt2_none={"training": {"settings": {}, "provenance": old}})
    assert [(f["name"], f["rows"]) for f in own(whole)] == [("different-code", ["rt2-none"])]


def judged(tmp_path: Path, change: Any) -> Any:
    """The verdict and its reason on a number of the paper, after a change of the config."""
    path = config.folder() / "tables" / "table7.yaml"
    spec = yaml.safe_load(path.read_text())
    change(spec)
    path.write_text(yaml.safe_dump(spec))
    config.forget()
    write_records(tmp_path, "paper")
    whole = aggregate(table=table("table7", "paper"), results=tmp_path)
    found = line(whole, "rt1-none", "fgsm")
    return found["verdict"], found["reason"]


def test_a_stand_in_is_not_comparable(tmp_path: Path) -> None:
    path = config.folder() / "presets" / "paper.yaml"
    chosen = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**chosen, "classifier": {"wrn28_10": "resnet18"}}))
    verdict = judged(tmp_path, lambda spec: spec["defaults"].update(classifier="wrn28_10"))
    assert verdict == ("not comparable", "another network or dataset")


def test_a_worst_case_over_fewer_attacks_is_not_comparable(tmp_path: Path) -> None:
    def worst(spec: dict[str, Any]) -> None:
        spec["columns"][1] = {"key": "fgsm", "label": "Worst", "worst": ["clean", "fgsm", "gone"]}

    attacks = yaml.safe_load((config.folder() / "attacks.yaml").read_text())
    attacks["suites"]["table7"]["attacks"].append("gone")
    attacks["attacks"]["gone"] = attacks["attacks"]["fgsm"]
    (config.folder() / "attacks.yaml").write_text(yaml.safe_dump(attacks))
    path = config.folder() / "presets" / "paper.yaml"
    chosen = yaml.safe_load(path.read_text())
    left_out = {"table7": {"leave_out": ["gone", "clean"]}}
    path.write_text(yaml.safe_dump({**chosen, "suites": left_out}))
    assert judged(tmp_path, worst) == ("not comparable", "a worst case over fewer attacks")


def test_a_budget_that_a_preset_changed_is_not_comparable(tmp_path: Path) -> None:
    path = config.folder() / "presets" / "paper.yaml"
    chosen = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**chosen, "attacks": {"fgsm": {"eot": 2}}}))
    assert judged(tmp_path, lambda spec: None) == ("not comparable", "another budget")


def test_another_target_is_not_comparable(tmp_path: Path) -> None:
    made = table("table7", "paper", target="defense")
    cell = cell_of(made, "rt1-none")
    content = record(cell, preset="paper", right=RIGHT["rt1-none"])
    write_json(where(tmp_path, "paper", cell, target="defense"), content)
    found = line(aggregate(table=made, results=tmp_path), "rt1-none", "fgsm")
    reason = "the attack differentiates something else than the paper's"
    assert (found["verdict"], found["reason"]) == ("not comparable", reason)


def test_the_paper_key_of_a_column_is_the_threat(tmp_path: Path) -> None:
    fits = judged(tmp_path, lambda spec: spec["columns"][1].update(paper={"norm": "Linf"}))
    assert fits == ("inconclusive", "")
    other = judged(tmp_path, lambda spec: spec["columns"][1].update(paper={"pixels": "native"}))
    assert other == ("not comparable", "another budget")


def test_another_threat_than_the_papers_is_not_comparable(tmp_path: Path) -> None:
    seven = write_records(tmp_path / "results", "paper")
    path = where(tmp_path / "results", "paper", cell_of(seven, "rt1-none"))
    content = read_json(path)
    content["evaluations"][1]["budget"]["eps"] = "1/255"
    write_json(path, content)
    whole = aggregate(table=seven, results=tmp_path / "results")
    found = line(whole, "rt1-none", "fgsm")
    assert (found["verdict"], found["reason"]) == ("not comparable", "another budget")
    assert line(whole, "rt1-atop", "fgsm")["verdict"] != "not comparable"


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


def test_only_deviations_that_touch_the_table(tmp_path: Path) -> None:
    assert [row["id"] for row in made(tmp_path).deviations] == ["B24"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"draws": 2}, "evaluations.0.predictions"),
        ({"indices": [1, 2]}, "indices"),
        ({"labels": ["cat"] * N}, "labels"),
        ({"n": 0}, "n:"),
        ({"colour": "red"}, "colour"),
        ({"provenance": {}}, "provenance"),
    ],
)
def test_broken_records_name_file_and_key(tmp_path: Path, change: Any, key: str) -> None:
    with pytest.raises(AtopError, match=r"rt1-none-paper-s0/table7-classifier\.json") as caught:
        made(tmp_path, rt1_none=change)
    assert key in str(caught.value)


def test_a_record_in_the_wrong_place(tmp_path: Path) -> None:
    seven = table("table7", "paper")
    other = cell_of(seven, "rt1-atop").as_dict()
    with pytest.raises(AtopError, match="the file's name says"):
        made(tmp_path, rt1_none={"cell": other})


def test_several_draws(tmp_path: Path) -> None:
    seven = table("table7", "paper")
    cell = cell_of(seven, "rt1-none")
    content = record(cell, preset="paper", right=RIGHT["rt1-none"], draws=3)
    content["evaluations"][0]["predictions"][1] = content["labels"]
    write_json(where(tmp_path / "results", "paper", cell), content)
    whole = aggregate(table=seven, results=tmp_path / "results")
    found = line(whole, "rt1-none", "standard")
    assert found["draws"] == 3
    assert found["measured"] == pytest.approx((85 + 100 + 85) / 3)
    assert found["low"] < found["measured"] < found["high"]


def strict(tmp_path: Path, preset: str = "paper", **changes: Any) -> Aggregate:
    made = write_strict(tmp_path / "results", preset, **changes)
    return aggregate(table=made, results=tmp_path / "results")


def test_metrics_of_several_draws(tmp_path: Path) -> None:
    whole = strict(tmp_path)
    mean, vote, every = (
        line(whole, "rt2-atop", key) for key in ("clean", "clean-majority", "clean-all")
    )
    assert [one["metric"] for one in (mean, vote, every)] == ["mean", "majority", "all"]
    assert (mean["draws"], mean["n"]) == (4, N)
    found = whole.record("rt2-atop", "clean")
    assert found
    hits = np.array(found["evaluations"][0]["predictions"]) == np.array(found["labels"])
    assert mean["measured"] == pytest.approx(100 * hits.mean())
    assert mean["draw_sd"] == pytest.approx(100 * hits.mean(axis=1).std(ddof=1))
    assert every["measured"] == pytest.approx(100 * hits.all(axis=0).mean())
    assert pd.isna(vote["draw_sd"])
    assert pd.isna(every["draw_sd"])
    assert every["measured"] < vote["measured"]
    known = line(whole, "rt2-atop", "fixed")
    assert known["draws"] == 1
    assert pd.isna(known["draw_sd"])


def test_a_worst_case_names_its_attacks_and_lies_below_each(tmp_path: Path) -> None:
    whole = strict(tmp_path)
    worst = line(whole, "rt2-atop", "worst")
    assert worst["attack"] == "clean;pgd;pgd@classifier;square"
    assert worst["budget"] == "each picture's worst of clean pictures, PGD, pgd@classifier, Square"
    singles = [line(whole, "rt2-atop", key)["measured"] for key in ("clean", "pgd", "square")]
    assert worst["measured"] < min(singles)
    assert worst["target"] == "defense"


def test_what_a_preset_leaves_out(tmp_path: Path) -> None:
    whole = strict(tmp_path, "smoke")
    single, worst = line(whole, "rt2-atop", "square"), line(whole, "rt2-atop", "worst")
    assert (single["verdict"], single["reason"]) == ("not run", "preset smoke leaves it out")
    assert worst["attack"] == "clean;pgd;pgd@classifier"
    assert worst["budget"].endswith("PGD, pgd@classifier; preset smoke leaves out Square")
    assert worst["measured"] > 0


def test_numbers_that_nobody_has_say_why(tmp_path: Path) -> None:
    whole = strict(tmp_path)
    assert line(whole, "wrn28", "pgd")["reason"].startswith("no record yet; this makes it: ")
    assert line(whole, "foreign", "pgd")["reason"] == "its code is not public"
    assert line(whole, "foreign", "pgd")["cell"] == ""
    assert line(whole, "rt2-atop", "cifar100")["reason"].startswith("no record yet; ")
    dmae = whole.frame[whole.frame["row"] == "dmae"]
    assert set(dmae["verdict"]) == {"not run"}
    assert set(dmae["reason"]) == {"preset paper leaves it out"}
    smoke = strict(tmp_path / "other", "smoke")
    assert line(smoke, "dmae", "pgd")["reason"].startswith("no record yet; ")
    assert line(smoke, "dmae", "pgd")["cell"].startswith("cifar10_slice-resnet_small-dmae-scratch-")
    assert line(smoke, "wrn28", "pgd")["measured"] == line(smoke, "rt2-atop", "pgd")["measured"]


def test_a_record_without_selection_draws_says_how_to_get_them(tmp_path: Path) -> None:
    made = write_strict(tmp_path, "paper")
    path = where(tmp_path, "paper", cell_of(made, "rt2-atop"), "strict", "defense")
    content = read_json(path)
    del content["evaluations"][3]["selection"]
    write_json(path, content)
    whole = aggregate(table=made, results=tmp_path)
    reason = line(whole, "rt2-atop", "worst")["reason"]
    assert reason.startswith("its record lacks selection draws of square: `rm results/paper/")
    assert reason.endswith("strict-defense.json`")
    assert line(whole, "rt2-atop", "square")["measured"] > 0
    pairs = whole.pairs.set_index("column")["reason"]
    assert (pairs["worst"], pairs["square"]) == ("not run", "")


def test_an_attack_that_found_nothing_says_what_it_repeats(tmp_path: Path) -> None:
    made = write_strict(tmp_path, "paper")
    path = where(tmp_path, "paper", cell_of(made, "rt2-atop"), "strict", "defense")
    content = read_json(path)
    by = {one["attack"]: one for one in content["evaluations"]}
    assert line(aggregate(table=made, results=tmp_path), "rt2-atop", "square")["repeats"] == ""
    by["square"]["predictions"] = by["pgd"]["predictions"]
    write_json(path, content)
    whole = aggregate(table=made, results=tmp_path)
    assert line(whole, "rt2-atop", "square")["repeats"] == "PGD"
    assert line(whole, "no-purifier", "square")["repeats"] == ""
    assert line(whole, "rt2-atop", "pgd")["repeats"] == ""
    assert line(whole, "rt2-atop", "worst")["repeats"] == ""  # as PGD, if it picks only that
    assert line(whole, "dmae", "square")["repeats"] == ""


def test_pairs_of_votes_have_a_p_and_of_means_none(tmp_path: Path) -> None:
    pairs = strict(tmp_path).pairs.set_index("column")
    assert pairs.loc["worst", "difference"] > 0
    assert pd.isna(pairs.loc["worst", "p"])
    assert 0 <= pairs.loc["worst-majority", "p"] <= 1
    assert 0 <= pairs.loc["fixed", "p"] <= 1


def test_points_of_a_curve(tmp_path: Path) -> None:
    whole = strict(tmp_path)
    point = line(whole, "rt2-atop", "steps-10")
    assert point["curve"] == "steps"
    assert point["x"] == 200  # as the record says, whatever the config would have run
    assert line(whole, "rt2-atop", "pgd")["curve"] == ""
    assert pd.isna(line(whole, "rt2-atop", "pgd")["x"])


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
        "text": f"Worst case ({worst:.1f}%) lies above pgd (0.0%), one of its attacks: "
        "3 selection draws are too few to pick by",
        "rows": ["rt2-atop"],
    }


def test_a_finding_names_every_row_of_its_record(tmp_path: Path) -> None:
    found = strict(tmp_path, "smoke", rt2_atop=FLAT).findings
    assert {**FLAT_FOUND, "rows": ["rt2-atop", "wrn28"]} in found


def test_the_ledger_and_the_tables_of_this_repository_are_valid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ATOP_CONFIG_DIR")
    config.forget()
    ledger = config.read("deviations")["deviations"]
    ids = [row["id"] for row in ledger]
    assert len(set(ids)) == len(ids)
    assert {f"B{i}" for i in range(1, 36)} | {"O1", "O2", "O3"} <= set(ids)
    for name in config.tables():
        spec = config.read(f"tables/{name}", "table")
        rows, columns = ({entry["key"] for entry in spec[part]} for part in ("rows", "columns"))
        forgotten = [key for key in numbers(name) if key[0] not in rows or key[1] not in columns]
        assert not forgotten, f"{name}: numbers of the paper that no cell shows"


@pytest.mark.parametrize(
    ("curve", "x"),
    [("eot", 20.0), ("steps", 50.0), ("joint", 1000.0), ("eps", 16.0), ("noise", 16.0)],
)
def test_a_point_lies_where_its_budget_is(tmp_path: Path, curve: str, x: float) -> None:
    column = replace(strict(tmp_path).table.column("steps-10"), curve=curve)
    run = {"pgd": {"method": "pgd", "eot": 20, "steps": 50, "eps": "16/255"}}
    assert _position(column, run) == pytest.approx(x)
