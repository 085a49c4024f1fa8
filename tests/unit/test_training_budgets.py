"""Budgets of training stages: one for each stage, with overrides by name, the last of which win."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from atop.core.errors import AtopError
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.stages.finetuning import finetuning

CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
DMAE = replace(CELL, purifier="dmae", transform="tokens")
Change = Callable[[str, dict[str, Any]], None]


def test_an_unknown_stage_is_answered_with_the_known_ones() -> None:
    with pytest.raises(AtopError, match=r"presets/embedded\.yaml: stages: no 'robust'; known are"):
        presets.get("embedded").classifier_training("cifar10", "resnet18_32_at")


@pytest.mark.parametrize(
    ("finetune", "stage"),
    [("none", "l_org"), ("adversarial", "atop"), ("continued", "atop"), ("classifier", "tune")],
)
def test_each_fine_tuning_has_its_stage(change: Change, finetune: str, stage: str) -> None:
    change("presets/smoke", {"stages": {stage: {"lr": 0.123}}})
    cell = replace(CELL, finetune=finetune, purifier="identity", init="none")
    assert finetuning(presets.get("smoke"), cell).budget.lr == 0.123


def test_overrides_fill_in(change: Change) -> None:
    change("presets/smoke", {"stages": {"atop": {"overrides": {"rt3": {"batch": 2}}}}})
    assert presets.get("smoke").finetuning(replace(CELL, transform="rt3")).batch == 2
    other = presets.get("smoke").finetuning(replace(CELL, transform="rt1"))
    assert other.batch != 2
    assert "overrides" not in other.given()


def test_a_stage_has_overrides_by_dataset_transform_and_purifier_the_last_of_which_win(
    change: Change,
) -> None:
    overrides = {"cifar10_slice": {"batch": 2, "lr": 0.1, "clip": 9.0}}
    overrides |= {"rt2": {"batch": 3, "lr": 0.2}, "deepfill": {"batch": 4}}
    stage = {"overrides": overrides}
    change("presets/smoke", {"stages": {"l_org": stage, "atop": stage}})
    for cell in (CELL, CELL.base):
        found = presets.get("smoke").finetuning(cell)
        assert [found.batch, found.lr, found.clip] == [4, 0.2, 9.0]
    other = presets.get("smoke").finetuning(replace(DMAE, dataset="cifar10"))
    assert [other.batch, other.lr, other.clip] == [16, 3e-4, 1.0]
    assert (other.betas, other.weight_decay) == ((0.9, 0.95), 0.05)
    usual, own = (presets.get("paper").pretraining(name) for name in ("deepfill", "dmae"))
    assert (usual.transforms, usual.betas) == (("rt1",), (0.5, 0.999))
    assert (own.transforms, own.betas, own.parts) == (("tokens75",), (0.9, 0.95), 8)
    assert "overrides" not in own.given()
