"""A purifier is trained on images of the size that its budget says, if it works at any size."""

from dataclasses import replace

import pytest
import torch

from atop.data.dataset import Dataset
from atop.experiment import presets
from atop.experiment.cells import ANY, Cell
from atop.experiment.stages.finetuning import Finetune, Pretrain
from atop.experiment.workload import TrainingStep
from atop.pipeline import assemble
from atop.pipeline.training import parts

SLIM, PAPER = presets.get("slim"), presets.get("paper")
CELL = Cell(dataset="cifar10", classifier=ANY, purifier="deepfill", init="scratch", transform="rt2")
DMAE = replace(CELL, purifier="dmae", transform="tokens")


def pretrained(cell: Cell) -> int:
    stage = Pretrain.of(SLIM, cell.dataset, cell.purifier)
    return SLIM.training_pixels(stage.cell, stage.budget)


def test_the_budget_of_a_stage_decides() -> None:
    l_org = Finetune(preset=SLIM, cell=CELL)
    atop = Finetune(
        preset=SLIM, cell=replace(CELL, classifier="resnet18_32", finetune="adversarial")
    )
    assert pretrained(CELL) == 128
    assert SLIM.training_pixels(l_org.cell, l_org.budget) == 128
    assert SLIM.training_pixels(atop.cell, atop.budget) == 256


def test_without_a_word_it_is_the_size_in_use() -> None:
    stage = Finetune(preset=PAPER, cell=replace(CELL, init="places2"))
    assert PAPER.training_pixels(stage.cell, stage.budget) == 256


def test_a_purifier_of_one_size_keeps_it() -> None:
    stage = Finetune(preset=SLIM, cell=DMAE)
    assert pretrained(DMAE) == 32
    assert SLIM.training_pixels(stage.cell, stage.budget) == 32


@pytest.mark.parametrize(("cell", "pixels"), [(CELL, 128), (DMAE, 32)])
def test_the_trainer_takes_images_of_that_size(
    cell: Cell, pixels: int, cifar_slice: Dataset
) -> None:
    network = assemble.purifier(SLIM, cell.purifier, cell.dataset)
    budget = SLIM.finetuning(cell).model_copy(update={"batch": 2, "images": 2})
    trainer = parts.purifier_trainer(
        SLIM, cell, network, cifar_slice.train, budget=budget, stream="l_org"
    )
    assert trainer.resize(torch.rand(1, 3, 32, 32)).shape == (1, 3, pixels, pixels)
    assert all(value > 0 for value in trainer.step(0).values())


def test_the_cost_depends_on_it() -> None:
    budget = SLIM.finetuning(CELL)
    keys = {
        TrainingStep(
            preset=SLIM,
            cell=CELL,
            stage="L_org",
            budget=budget.model_copy(update={"pixels": pixels}),
        ).key
        for pixels in (64, 128, None)
    }
    assert len(keys) == 3
