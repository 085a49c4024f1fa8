"""Records and the paper's numbers in one frame."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.aggregates import line, made, names
from support.synthetic_records import RIGHT, N, cell_of, record, where, write_records

from atop.core.errors import AtopError
from atop.core.files import read_json, write_json
from atop.experiment import presets
from atop.experiment.tables import table
from atop.reporting.aggregate import COLUMNS, aggregate

pytestmark = pytest.mark.usefixtures("small_config")


def pair(frame: pd.DataFrame, first: str) -> "pd.Series[Any]":
    return frame[(frame["first"] == first) & (frame["column"] == "fgsm")].iloc[0]


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
    assert f"snakemake --cores all -- {path}/table7-classifier.json" in missing["reason"]
    assert closed["reason"] == "needs weights that are not public"
    assert pd.isna(missing["measured"])
    assert missing["paper"] == "89.84"


def test_an_attack_that_a_record_lacks_is_not_run(tmp_path: Path) -> None:
    seven = table("table7", presets.get("paper"))
    write_records(tmp_path / "results", "paper")
    path = where(tmp_path / "results", "paper", cell_of(seven, "rt1-none"))
    content = read_json(path)
    content["evaluations"] = content["evaluations"][:2]
    write_json(path, content)
    whole = aggregate(table=seven, results=tmp_path / "results")
    found = line(whole, "rt1-none", "pgd-1000")
    assert found["verdict"] == "not run"
    assert "lacks the attack pgd-1000" in found["reason"]


def test_records_of_another_target_are_other_files(tmp_path: Path) -> None:
    write_records(tmp_path, "paper")
    whole = aggregate(
        table=table("table7", presets.get("paper"), target="defense"), results=tmp_path
    )
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
    assert found["reason"] == "measured on different examples"
    assert pd.isna(found["difference"])
    assert names(whole) == ["different-examples"]


def test_only_deviations_that_touch_the_table(tmp_path: Path) -> None:
    assert [row.id for row in made(tmp_path).deviations] == ["B24"]


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
    seven = table("table7", presets.get("paper"))
    other = cell_of(seven, "rt1-atop").as_dict()
    with pytest.raises(AtopError, match="the file's name says"):
        made(tmp_path, rt1_none={"cell": other})


def test_several_draws(tmp_path: Path) -> None:
    seven = table("table7", presets.get("paper"))
    cell = cell_of(seven, "rt1-none")
    content = record(cell, preset="paper", right=RIGHT["rt1-none"], draws=3)
    content["evaluations"][0]["predictions"][1] = content["labels"]
    write_json(where(tmp_path / "results", "paper", cell), content)
    whole = aggregate(table=seven, results=tmp_path / "results")
    found = line(whole, "rt1-none", "standard")
    assert found["draws"] == 3
    assert found["measured"] == pytest.approx((85 + 100 + 85) / 3)
    assert found["low"] < found["measured"] < found["high"]
