"""Budgets of the training stages under a preset: pictures or epochs, batch, learning rate."""

from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import Cell


def budget(preset_name: str, stage: str, *of: str) -> Dict:
    """The budget of a training stage, with what it says about some names filled in, in order.

    Raises:
        AtopError: the preset has no such stage.
    """
    stages = config.preset(preset_name).stages.given()
    if stage not in stages:
        path = f"{config.folder()}/presets/{preset_name}.yaml"
        raise AtopError(f"{path}: stages: no '{stage}'; known are {', '.join(stages)}")
    row = dict(stages[stage])
    overrides = row.pop("overrides", {})
    for name in of:
        row |= overrides.get(name, {})
    return row


def classifier(preset_name: str, dataset_name: str, name: str) -> Dict:
    """The budget that trains a classifier; an adversarially trained one has a stage of its own."""
    robust = config.classifier(name).training == "adversarial"
    return budget(preset_name, "robust" if robust else "classifier", dataset_name, name)


def finetune(preset_name: str, cell: Cell) -> Dict:
    """The budget that makes a cell's weights: of L_org, of AToP and controls, or of f on t(x)."""
    stage = {"none": "l_org", "classifier": "tune"}.get(cell.finetune, "atop")
    return budget(preset_name, stage, cell.dataset, cell.transform, cell.purifier)


def pretrain(preset_name: str, name: str) -> Dict:
    """The budget that a purifier is pretrained with."""
    return budget(preset_name, "pretrain", name)
