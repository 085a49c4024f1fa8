"""A transform that takes longer may be evaluated on fewer images (`evaluation.overrides`)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.stages.attack import Attack
from atop.experiment.tables import table
from atop.reporting.render import render

Change = Callable[[str, dict[str, Any]], None]
RT3 = Cell(
    dataset="cifar10", classifier="resnet18", purifier="deepfill", init="places2",
    transform="rt3", finetune="adversarial",
)  # fmt: skip


def test_attacks_on_its_defences_and_their_evaluations_have_fewer_images(change: Change) -> None:
    change("presets/paper", {"evaluation": {"overrides": {"rt3": {"n": 20}}}})
    paper = presets.get("paper")
    assert Attack(preset=paper, cell=RT3, attack="strict-pgd").n == 20
    assert paper.evaluated("strict", RT3, "defense") == 20
    assert paper.evaluated("strict", replace(RT3, transform="rt2"), "defense") == 512


def test_the_set_on_the_bare_classifier_is_shared_and_keeps_its_images(change: Change) -> None:
    change("presets/paper", {"evaluation": {"overrides": {"rt3": {"n": 20}}}})
    paper = presets.get("paper")
    assert paper.evaluated("table7", RT3, "classifier") == 10_000
    change("presets/native", {"evaluation": {"overrides": {"rt3": {"n": 20}}}})
    assert presets.get("native").evaluated("table7", RT3, "classifier") == 512  # no grey_box
    bare = RT3.target("classifier")
    assert Attack(preset=paper, cell=bare, attack="strict-pgd").n == 512


def test_only_rows_with_fewer_images_say_so(change: Change, tmp_path: Path) -> None:
    change("presets/paper", {"evaluation": {"overrides": {"rt3": {"n": 20}}}})
    for name in ("strict", "table7"):
        render(table=table(name, presets.get("paper")), results=tmp_path, out=tmp_path)
    strict = (tmp_path / "strict.md").read_text()
    assert "| RT3, AToP<br>here 20 images | ResNet-18 |" in strict
    assert strict.count("here 20 images") == strict.count("| RT3, AToP<br>")
    assert "here 20 images" not in (tmp_path / "table7.md").read_text()
