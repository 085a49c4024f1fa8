"""Numbers that are not comparable with the paper, and the reason that stands beside each."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.aggregates import line, made
from support.synthetic_records import RIGHT, cell_of, record, where, write_records

from atop.core.files import read_json, write_json
from atop.experiment import config, presets
from atop.experiment.tables import table
from atop.reporting.aggregate import aggregate
from atop.reporting.notes import notes

pytestmark = pytest.mark.usefixtures("small_config")


def test_smoke_is_not_comparable_and_keeps_the_difference(tmp_path: Path) -> None:
    found = line(made(tmp_path, "smoke"), "rt1-atop", "pgd-1000")
    assert (found["verdict"], found["reason"]) == ("not comparable", "preset smoke")
    assert found["difference"] == pytest.approx(40.0 - 39.45)
    assert found["budget"].endswith("50 steps (paper preset: 1000)")


def test_another_start_is_not_comparable(tmp_path: Path) -> None:
    seven = table("table7", presets.get("paper"), init="scratch")
    cell = cell_of(seven, "rt1-none")
    content = record(cell, preset="paper", right=RIGHT["rt1-none"])
    write_json(where(tmp_path / "results", "paper", cell), content)
    whole = aggregate(table=seven, results=tmp_path / "results")
    assert line(whole, "rt1-none", "fgsm")["reason"] == "another initialisation (scratch)"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"verified": None}, "nobody verified that these are the published images"),
        ({"verified": "archive", "positions": "found"}, ""),
    ],
)
def test_images_that_nobody_verified_are_not_comparable(
    tmp_path: Path, data: dict[str, Any], reason: str
) -> None:
    seven = table("table7", presets.get("paper"))
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


def judged(tmp_path: Path, change: Any) -> Any:
    """The verdict and its reason on a number of the paper, after a change of the config."""
    path = config.folder() / "tables" / "table7.yaml"
    spec = yaml.safe_load(path.read_text())
    change(spec)
    path.write_text(yaml.safe_dump(spec))
    config.forget()
    write_records(tmp_path, "paper")
    whole = aggregate(table=table("table7", presets.get("paper")), results=tmp_path)
    found = line(whole, "rt1-none", "fgsm")
    return found["verdict"], found["reason"]


def test_a_substitute_is_not_comparable(tmp_path: Path) -> None:
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
    made = table("table7", presets.get("paper"), target="defense")
    cell = cell_of(made, "rt1-none")
    content = record(cell, preset="paper", right=RIGHT["rt1-none"])
    write_json(where(tmp_path, "paper", cell, target="defense"), content)
    found = line(aggregate(table=made, results=tmp_path), "rt1-none", "fgsm")
    reason = "another target than the paper's"
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
