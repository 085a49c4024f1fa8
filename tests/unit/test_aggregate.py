"""Records and the paper's numbers in one frame."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic_records import RIGHT, N, record, use_config, where, write_records

from atop import config
from atop.aggregate import COLUMNS, Aggregate, aggregate, paper_numbers
from atop.errors import AtopError
from atop.files import read_json, write_json
from atop.records import budget_text


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    use_config(tmp_path / "config", monkeypatch)
    yield
    config.read.cache_clear()


def made(
    tmp_path: Path, preset: str = "paper", target: str = "classifier", **changes: Any
) -> Aggregate:
    table = write_records(tmp_path / "results", preset, **changes)
    return aggregate(table=table, results=tmp_path / "results", target=target)


def line(whole: Aggregate, row: str, column: str) -> "pd.Series[Any]":
    frame = whole.frame
    return frame[(frame["row"] == row) & (frame["column"] == column)].iloc[0]


def pair(frame: pd.DataFrame, first: str) -> "pd.Series[Any]":
    return frame[(frame["first"] == first) & (frame["column"] == "fgsm")].iloc[0]


def names(whole: Aggregate) -> list[str]:
    return [finding["name"] for finding in whole.findings]


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
    assert missing["verdict"] == closed["verdict"] == "not run"
    assert (
        f"snakemake --cores all --resources gpu=1 -- {path}/table7-classifier.json"
        in (missing["reason"])
    )
    assert closed["reason"] == "needs weights that are not public"
    assert pd.isna(missing["measured"])
    assert missing["paper"] == "89.84"


def test_an_attack_that_a_record_lacks_is_not_run(tmp_path: Path) -> None:
    table = config.table("table7", "paper")
    write_records(tmp_path / "results", "paper")
    path = where(tmp_path / "results", "paper", table.rows[0].cell)
    content = read_json(path)
    content["evaluations"] = content["evaluations"][:2]
    write_json(path, content)
    whole = aggregate(table=table, results=tmp_path / "results", target="classifier")
    found = line(whole, "rt1-none", "pgd-1000")
    assert found["verdict"] == "not run"
    assert "lacks the attack pgd-1000" in found["reason"]


def test_smoke_is_not_comparable_and_keeps_the_difference(tmp_path: Path) -> None:
    found = line(made(tmp_path, "smoke"), "rt1-atop", "pgd-1000")
    assert (found["verdict"], found["reason"]) == ("not comparable", "preset smoke")
    assert found["difference"] == pytest.approx(40.0 - 39.45)
    assert found["budget"].endswith("50 steps (paper preset: 1000)")


def test_another_start_is_not_comparable(tmp_path: Path) -> None:
    table = config.table("table7", "paper", init="scratch")
    cell = table.rows[0].cell
    content = record(cell, preset="paper", right=RIGHT["rt1-none"])
    write_json(where(tmp_path / "results", "paper", cell), content)
    whole = aggregate(table=table, results=tmp_path / "results", target="classifier")
    assert line(whole, "rt1-none", "fgsm")["reason"] == "another initialisation (scratch)"


def test_records_of_another_target_are_other_files(tmp_path: Path) -> None:
    whole = made(tmp_path, target="defense")
    assert set(whole.frame["verdict"]) == {"not run"}
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
    table = config.table("table7", "paper")
    provenance = record(table.rows[0].cell, preset="paper", right=RIGHT["rt1-none"])["provenance"]
    older = {"provenance": {**provenance, "code_sha": "old", "created": "2025-01-01T00:00:00"}}
    whole = made(tmp_path, rt1_none=older)
    assert [(f["name"], f["rows"]) for f in whole.findings] == [("different-code", ["rt1-none"])]


def test_older_code_of_a_training_or_an_attack_is_a_finding(tmp_path: Path) -> None:
    old = {"code_sha": "old", "created": "2025-01-01T00:00:00"}
    whole = made(tmp_path, rt2_none={"training": {"settings": {}, "provenance": old}})
    assert [(f["name"], f["rows"]) for f in whole.findings] == [("different-code", ["rt2-none"])]


def test_another_threat_than_the_papers_is_not_comparable(tmp_path: Path) -> None:
    table = write_records(tmp_path / "results", "paper")
    path = where(tmp_path / "results", "paper", table.rows[0].cell)
    content = read_json(path)
    content["evaluations"][1]["budget"]["eps"] = "1/255"
    write_json(path, content)
    whole = aggregate(table=table, results=tmp_path / "results", target="classifier")
    found = line(whole, "rt1-none", "fgsm")
    assert (found["verdict"], found["reason"]) == ("not comparable", "another budget")
    assert line(whole, "rt1-atop", "fgsm")["verdict"] != "not comparable"


def test_unequal_adversarial_sets_and_old_budgets_are_findings(tmp_path: Path) -> None:
    table = write_records(tmp_path / "results", "paper")
    path = where(tmp_path / "results", "paper", table.rows[0].cell)
    content = read_json(path)
    content["evaluations"][1]["adversarial"]["sha256"] = "another"
    content["evaluations"][2]["budget"]["steps"] = 10
    write_json(path, content)
    whole = aggregate(table=table, results=tmp_path / "results", target="classifier")
    assert names(whole) == ["different-adversarial-sets", "different-budget"]


def test_equal_findings_of_records_are_told_once(tmp_path: Path) -> None:
    same = {"findings": [{"name": "zero-gradient", "text": "3 pictures"}]}
    whole = made(tmp_path, rt1_none=same, rt1_atop=same)
    assert whole.findings == [
        {"name": "zero-gradient", "text": "3 pictures", "rows": ["rt1-none", "rt1-atop"]}
    ]


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
    table = config.table("table7", "paper")
    other = table.rows[1].cell.as_dict()
    with pytest.raises(AtopError, match="the file's name says"):
        made(tmp_path, rt1_none={"cell": other})


def test_several_draws(tmp_path: Path) -> None:
    table = config.table("table7", "paper")
    cell = table.rows[0].cell
    content = record(cell, preset="paper", right=RIGHT["rt1-none"], draws=3)
    content["evaluations"][0]["predictions"][1] = content["labels"]
    write_json(where(tmp_path / "results", "paper", cell), content)
    whole = aggregate(table=table, results=tmp_path / "results", target="classifier")
    found = line(whole, "rt1-none", "standard")
    assert found["draws"] == 3
    assert found["measured"] == pytest.approx((85 + 100 + 85) / 3)
    assert found["low"] < found["measured"] < found["high"]


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        ({"method": "clean"}, ""),
        ({"method": "fgsm", "norm": "Linf", "eps": "8/255", "eot": 1}, "Linf 8/255"),
        (
            {"method": "cw", "norm": "L2", "c": 1.0, "steps": 100},
            "L2 without bound, c 1.0, 100 steps",
        ),
        (
            {"norm": "L2", "eps": "0.5", "eot": 2, "scaled": {"eot": 20}},
            "L2 0.5, EOT 2 (paper preset: 20)",
        ),
        (
            {"norm": "L2", "eps": 1, "eot": 1, "scaled": {"eot": 20}},
            "L2 1, EOT 1 (paper preset: 20)",
        ),
    ],
)
def test_budget_in_words(budget: dict[str, Any], text: str) -> None:
    assert budget_text(budget) == text


def test_the_ledger_and_the_tables_of_this_repository_are_valid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ATOP_CONFIG_DIR")
    config.read.cache_clear()
    ledger = config.read("deviations")["deviations"]
    ids = [row["id"] for row in ledger]
    assert len(set(ids)) == len(ids)
    assert {f"B{i}" for i in range(1, 36)} | {"O1", "O2", "O3"} <= set(ids)
    for name in config.tables():
        spec = config.read(f"tables/{name}", "table")
        rows, columns = ({entry["key"] for entry in spec[part]} for part in ("rows", "columns"))
        forgotten = [
            key for key in paper_numbers(name) if key[0] not in rows or key[1] not in columns
        ]
        assert not forgotten, f"{name}: numbers of the paper that no cell shows"
