"""Operations ready to run: the networks of the jobs, with random weights, on random images.

Neither weights nor pixels change the time, so nothing is downloaded or read.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import nn

from atop.core.execution import FLOAT32, Compute
from atop.core.randomness import Randomness
from atop.data.dataset import Split
from atop.experiment import config
from atop.experiment.cells import ANY, Cell
from atop.experiment.presets import Preset
from atop.experiment.workload import Operation, Query, TrainingStep
from atop.method.attack import cross_entropy
from atop.method.defense import Defense
from atop.method.eot import BatchedTarget, eot_gradient, expected_logits
from atop.method.surrogates import SURROGATES
from atop.pipeline import assemble
from atop.pipeline.attacking.batches import batches
from atop.pipeline.execution.resolve import compute
from atop.pipeline.training import parts
from atop.pipeline.training.loop import Trainer


class Ready(NamedTuple):
    """An operation that is ready to run.

    Attributes:
        run: once.
        images: of a run, each draw counted.
        trained: the network that a training changes, if any.
    """

    run: Callable[[], None]
    images: int
    trained: nn.Module | None = None


def execution_of(operation: Operation, device: torch.device) -> Compute:
    """Execution of an operation's networks; a judge has the attack's, but in float32."""
    mode = operation.mode if isinstance(operation, Query) else "train"
    if mode == "evaluate":
        return FLOAT32
    kind = "train" if mode == "train" else "attack"
    execution = compute(operation.preset, kind, operation.cell, device)
    return replace(execution, precision="float32") if mode == "judge" else execution


def query(operation: Query, device: torch.device, *, batch: int, draws: int) -> Ready:
    """A batch of images through a defence, under some draws."""
    defense = _defense(operation.preset, operation.cell).to(device)
    execution = execution_of(operation, device)
    execution.prepare(defense)
    execution.fuse(defense.purifier)
    surrogate = SURROGATES[operation.through](defense)
    preset, cell = operation.preset, operation.cell
    pixels, views = preset.working_pixels(cell), preset.views(cell)
    size = batches(batch, pixels=pixels, views=views, eot=draws, device=device)
    batch = batch if operation.mode == "evaluate" else size.batch
    target = BatchedTarget(surrogate, rows=size.rows, compute=execution)
    index, side = torch.arange(batch, device=device), operation.pixels
    x, y = torch.rand(batch, 3, side, side, device=device), torch.zeros_like(index)
    randomness = Randomness(0, "calibration", index)

    def run() -> None:
        with execution.arithmetic():
            if operation.gradient:
                eot_gradient(target, x, y, cross_entropy, randomness, eot=draws)
            else:
                expected_logits(target, x, randomness, eot=draws)

    return Ready(run, batch * draws)


def training(operation: TrainingStep, device: torch.device, *, batch: int) -> Ready:
    """The last steps of a training, one with each transform that takes its turn."""
    budget = operation.budget
    if batch != operation.batch:
        in_parts = {"parts": 1} if operation.cell.purifies else {}
        budget = budget.model_copy(update={"batch": batch, **in_parts})
    side = config.dataset(operation.cell.dataset).pixels
    images = torch.randint(256, (2 * batch, side, side, 3), dtype=torch.uint8)
    index = torch.arange(2 * batch)
    data = Split(images, torch.zeros_like(index), index).to(device)
    build = _of_purifier if operation.cell.purifies else _of_classifier
    network, trainer = build(operation, budget, data)
    turns = len(operation.transforms) or 1

    def run() -> None:
        for number in range(trainer.steps - turns, trainer.steps):
            trainer.step(number)

    return Ready(run, batch * turns, network)


def _of_classifier(operation: TrainingStep, budget: Any, data: Split) -> tuple[nn.Module, Trainer]:
    """A classifier and its training, alone or at the end of a defence."""
    preset, cell, device = operation.preset, operation.cell, data.labels.device
    network = assemble.classifier(cell.dataset, cell.classifier).to(device)
    defense = None
    if cell.finetune == "classifier":
        identity = assemble.purifier(preset, cell.purifier, cell.dataset)
        defense = assemble.join(preset, cell, identity, network)
    trainer = parts.classifier_trainer(
        preset, cell, network, data, budget=budget, seed=0, defense=defense
    )
    return network, trainer


def _of_purifier(operation: TrainingStep, budget: Any, data: Split) -> tuple[nn.Module, Trainer]:
    """A purifier and its training, with the AToP term if its weights depend on a classifier."""
    preset, cell, device = operation.preset, operation.cell, data.labels.device
    network = assemble.purifier(preset, cell.purifier, cell.dataset).to(device)
    classification = None
    if cell.weights.classifier != ANY:
        bare = _defense(preset, cell.bare).to(device)
        defense = assemble.join(preset, cell, network, bare.classifier)
        classification = parts.classification(preset, cell, defense, bare)
    trainer = parts.purifier_trainer(
        preset,
        cell,
        network,
        data,
        stream="calibration",
        transforms=operation.transforms,
        budget=budget,
        classification=classification,
    )
    return network, trainer


def _defense(preset: Preset, cell: Cell) -> Defense:
    """A cell's defence, frozen, as `assemble.defense` has it but for the weights."""
    network = assemble.purifier(preset, cell.purifier, cell.dataset)
    classifier = assemble.classifier(cell.dataset, cell.classifier)
    return assemble.join(preset, cell, network, classifier).eval().requires_grad_(False)
