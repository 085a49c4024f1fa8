"""Passes ready to run: the networks that jobs run, with random weights, on made-up pictures.

Neither weights nor pixels shape the time, so nothing is downloaded and nothing read.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from atop.core.execution import Compute
from atop.core.randomness import Randomness
from atop.core.values import Dict
from atop.data.dataset import Split
from atop.experiment import config
from atop.experiment.cells import ANY, Cell
from atop.method.attack import cross_entropy
from atop.method.defense import Defense
from atop.method.eot import BatchedTarget, eot_gradient, expected_logits
from atop.method.surrogates import SURROGATES
from atop.operations.cost.passes import Look, Training
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import ROWS
from atop.pipeline.training import parts
from atop.pipeline.training.loop import Stage


class Ready(NamedTuple):
    """A pass that is ready to run.

    Attributes:
        run: once.
        pictures: that go through it, each draw counted.
        learns: the network that does, if any.
    """

    run: Callable[[], None]
    pictures: int
    learns: nn.Module | None = None


def look(one: Look, device: torch.device, *, batch: int, draws: int) -> Ready:
    """So many pictures through a defence, at so many draws."""
    whole, compute = _defense(one.preset, one.cell).to(device), Compute(**one.compute)
    compute.prepare(whole)
    compute.fuse(whole.purifier)
    seen = BatchedTarget(SURROGATES[one.through](whole), rows=ROWS[device.type], compute=compute)
    index = torch.arange(batch, device=device)
    x, y = torch.rand(batch, 3, one.pixels, one.pixels, device=device), torch.zeros_like(index)
    randomness = Randomness(0, "calibration", index)

    def run() -> None:
        with compute.arithmetic():
            if one.gradient:
                eot_gradient(seen, x, y, cross_entropy, randomness, eot=draws)
            else:
                expected_logits(seen, x, randomness, eot=draws)

    return Ready(run, batch * draws)


def training(one: Training, device: torch.device, *, batch: int) -> Ready:
    """The last steps of a stage, one with each transform that takes its turn."""
    budget = dict(one.budget)
    if batch != one.batch:
        budget |= {"batch": batch, "parts": 1}
    side = config.dataset(one.cell.dataset).pixels
    images = torch.randint(256, (2 * batch, side, side, 3), dtype=torch.uint8)
    index = torch.arange(2 * batch)
    data = Split(images, torch.zeros_like(index), index).to(device)
    build = _of_purifier if one.cell.purifies else _of_classifier
    network, stage = build(one, budget, data)
    turns = len(budget.get("transforms", ["its own"]))

    def run() -> None:
        for number in range(stage.steps - turns, stage.steps):
            stage.step(number)

    return Ready(run, batch * turns, network)


def _of_classifier(one: Training, budget: Dict, data: Split) -> tuple[nn.Module, Stage]:
    """A classifier and its training, alone or at the end of a defence."""
    preset, cell, device = one.preset, one.cell, data.labels.device
    network = assemble.classifier(cell.dataset, cell.classifier).to(device)
    whole = None
    if one.verb == "finetune":
        identity = assemble.purifier(preset, cell.purifier, cell.dataset)
        whole = assemble.pipeline(preset, cell, identity, network)
    stage = parts.classifier_stage(preset, cell, network, data, budget=budget, seed=0, whole=whole)
    return network, stage


def _of_purifier(one: Training, budget: Dict, data: Split) -> tuple[nn.Module, Stage]:
    """A purifier and its training, with the AToP term if its weights know a classifier."""
    preset, cell, device = one.preset, one.cell, data.labels.device
    network = assemble.purifier(preset, cell.purifier, cell.dataset).to(device)
    recipe, classification = config.recipe(cell.recipe, cell.transform, preset), None
    if cell.weights.classifier != ANY:
        bare = _defense(preset, cell.bare).to(device)
        whole = assemble.pipeline(preset, cell, network, bare.classifier)
        classification = parts.classification(preset, cell, recipe, whole, bare)
    stage = parts.purifier_stage(
        preset,
        cell,
        network,
        data,
        stream="calibration",
        transforms=budget.get("transforms", [cell.transform]),
        recipe=recipe,
        budget=budget,
        classification=classification,
    )
    return network, stage


def _defense(preset: str, cell: Cell) -> Defense:
    """A cell's defence, frozen, as `assemble.defense` has it but for the weights."""
    network = assemble.purifier(preset, cell.purifier, cell.dataset)
    classifier = assemble.classifier(cell.dataset, cell.classifier)
    return assemble.pipeline(preset, cell, network, classifier).eval().requires_grad_(False)
