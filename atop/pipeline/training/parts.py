"""Parts of a training, built from the settings: trainer, AToP term, curve."""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from atop.core.errors import AtopError
from atop.core.resizing import resize
from atop.data.dataset import Split
from atop.experiment import config
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.settings.presets import ClassifierTraining, PurifierTraining
from atop.method.defense import Defense
from atop.pipeline import assemble
from atop.pipeline.execution.resolve import compute
from atop.pipeline.training.classifier import ClassifierTrainer
from atop.pipeline.training.curves import Curve, curve_of
from atop.pipeline.training.purifier import Classification, PurifierTrainer


def classifier_trainer(
    preset: Preset,
    cell: Cell,
    network: nn.Module,
    data: Split,
    *,
    budget: ClassifierTraining,
    seed: int,
    defense: Defense | None = None,
) -> ClassifierTrainer:
    """The training of a classifier, alone or at the end of a defence.

    Args:
        preset: has the sizes.
        cell: of the classifier.
        network: the classifier.
        data: training split, on the device of the network.
        budget: of the training.
        seed: of the training.
        defense: around the network, for a training on t(x).
    """
    sizes = preset.sizes(cell)
    return ClassifierTrainer(
        network,
        data,
        size=sizes.input if defense else sizes.classifier,
        budget=budget,
        seed=seed,
        classify=defense,
        attack=assemble.attack(preset, budget.attack) if budget.attack else None,
        compute=compute(preset, "train", cell, data.labels.device),
    )


def purifier_trainer(
    preset: Preset,
    cell: Cell,
    network: nn.Module,
    data: Split,
    *,
    budget: PurifierTraining,
    transforms: tuple[str, ...] = (),
    **options: Any,
) -> PurifierTrainer:
    """The training of a purifier by the cell's recipe.

    Args:
        preset: has options, losses and sizes.
        cell: of the purifier; has the seed.
        network: the purifier.
        data: training split, on the device of the network.
        budget: of the training.
        transforms: names of transforms in turn; the cell's by default.
        options: other arguments of PurifierTrainer.
    """
    torch.manual_seed(cell.seed)  # initial weights of a loss that has networks
    recipe, sizes = preset.recipe(cell), preset.sizes(cell)
    pixels = preset.training_pixels(cell, budget)
    cells = [replace(cell, transform=name) for name in transforms or (cell.transform,)]
    return PurifierTrainer(
        purifier=network,
        loss=assemble.loss(preset, cell.purifier, recipe).to(data.labels.device),
        transforms=[assemble.transform(preset, each) for each in cells],
        data=data,
        input_size=sizes.input,
        resize=lambda x: resize(x, pixels),
        recipe=recipe,
        budget=budget,
        seed=cell.seed,
        shift=config.dataset(cell.dataset).shift,
        compute=compute(preset, "train", cell, data.labels.device),
        **options,
    )


def classification(preset: Preset, cell: Cell, defense: Defense, bare: Defense) -> Classification:
    """The AToP term of a cell, on clean or on adversarial examples.

    Args:
        preset: has the training attack.
        cell: of the purifier in training.
        defense: the cell's, around that purifier.
        bare: its classifier alone.

    Raises:
        AtopError: the training ends before its recipe adds the term.
    """
    images, recipe = preset.finetuning(cell).images, preset.recipe(cell)
    if recipe.ce_after_images >= images:
        raise AtopError(
            f"presets/{preset}.yaml: stages.atop: {images} images end before recipe {cell.recipe} "
            f"adds the classification loss (ce_after_images {recipe.ce_after_images}); "
            "raise images, or set recipe.ce_after_images there"
        )
    execution = compute(preset, "train", cell, next(bare.parameters()).device)
    execution.prepare(bare)
    classify = partial(execution.run, defense.classify)
    if cell.finetune == "clean":
        return Classification(classify=classify, attack=None)
    target = partial(execution.run, bare if recipe.attack_target == "classifier" else defense)
    attack = assemble.attack(preset, preset.settings.training_attack)
    return Classification(classify=classify, attack=partial(attack, target))


def curve(
    preset: Preset, cell: Cell, defense: Defense, bare: Defense, device: torch.device
) -> Curve | None:
    """The training curve of a cell's defence, if the preset has curves.

    `bare` is the classifier that is attacked, before any training here.
    """
    curves = preset.settings.curves
    if not curves:
        return None
    images = assemble.dataset(cell.dataset).validation.take(slice(0, curves.images))
    return curve_of(
        defense,
        bare,
        images.to(device),
        {name: assemble.attack(preset, name) for name in curves.attacks},
        batch=preset.settings.evaluation.batch,
        seed=cell.seed,
        points=curves.points,
        compute=compute(preset, "train", cell, device),
    )
