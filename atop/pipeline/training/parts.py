"""What a training consists of, assembled from the config: stage, AToP term, curve."""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from atop.core.errors import AtopError
from atop.core.resizing import resize
from atop.data.dataset import Split
from atop.experiment import config, training_budgets
from atop.experiment.cells import Cell
from atop.method.defense import Defense
from atop.pipeline import assemble
from atop.pipeline.training.classifier import ClassifierStage
from atop.pipeline.training.curves import Curve, curve_of
from atop.pipeline.training.purifier import Classification, PurifierStage


def classifier_stage(
    preset: str,
    cell: Cell,
    network: nn.Module,
    data: Split,
    *,
    budget: dict[str, Any],
    seed: int,
    whole: Defense | None = None,
) -> ClassifierStage:
    """The training of a classifier, alone or at the end of a defence.

    Args:
        preset: whose sizes it takes.
        cell: whose classifier it is.
        network: the classifier.
        data: training split, on the device of the network.
        budget: what a ClassifierStage takes; its `attack` is a row of attacks.yaml.
        seed: of the training.
        whole: the defence around the network, if that is what learns.
    """
    attack = assemble.attack(preset, budget["attack"]) if "attack" in budget else None
    return ClassifierStage(
        network,
        data,
        size=config.sizes(preset, cell)["input" if whole else "classifier"],
        budget=budget,
        seed=seed,
        classify=whole,
        attack=attack,
        compute=assemble.compute(preset, "train"),
    )


def purifier_stage(
    preset: str,
    cell: Cell,
    network: nn.Module,
    data: Split,
    *,
    transforms: list[str],
    recipe: dict[str, Any],
    **options: Any,
) -> PurifierStage:
    """The training of a purifier as a recipe says.

    Args:
        preset: whose options, losses and sizes it takes.
        cell: whose purifier and seed it takes.
        network: the purifier.
        data: training split, on the device of the network.
        transforms: by name; which come before it, in turn.
        recipe: under the preset.
        options: what else a PurifierStage takes.
    """
    torch.manual_seed(cell.seed)  # initial weights of a loss that has networks
    loss = assemble.loss(preset, cell.purifier, recipe)
    sizes = assemble.sizes(preset, cell)
    return PurifierStage(
        purifier=network,
        loss=loss.to(data.labels.device),
        transforms=[assemble.transform(preset, replace(cell, transform=t)) for t in transforms],
        data=data,
        input_size=sizes.input,
        resize=lambda x: resize(x, sizes.purifier),
        recipe=recipe,
        seed=cell.seed,
        shift=config.dataset(cell.dataset).shift,
        compute=assemble.compute(preset, "train"),
        **options,
    )


def classification(
    preset: str, cell: Cell, recipe: dict[str, Any], whole: Defense, bare: Defense
) -> Classification:
    """The AToP term of a cell, on clean examples or on FGSM examples.

    Args:
        preset: whose FGSM it is.
        cell: whose purifier is in training.
        recipe: under the preset.
        whole: the cell's defence around that purifier.
        bare: its classifier alone.

    Raises:
        AtopError: the training ends before its recipe adds the term.
    """
    images = training_budgets.finetune(preset, cell)["images"]
    if recipe["ce_after_images"] >= images:
        raise AtopError(
            f"presets/{preset}.yaml: stages.atop: {images} images end before recipe {cell.recipe} "
            f"adds the classification loss (ce_after_images {recipe['ce_after_images']}); "
            "raise images, or set recipe.ce_after_images there"
        )
    compute = assemble.compute(preset, "train")
    compute.prepare(bare)
    classify = partial(compute.run, whole.classify)
    if cell.finetune == "clean":
        return Classification(classify=classify, attack=None)
    target = bare if recipe["attack_target"] == "classifier" else whole
    return Classification(
        classify=classify,
        attack=partial(assemble.attack(preset, "fgsm"), partial(compute.run, target)),
    )


def curve(
    preset: str, cell: Cell, whole: Defense, bare: Defense, device: torch.device
) -> Curve | None:
    """What is measured of a cell's defence while a part of it trains, if the preset says so.

    `bare` is the classifier that is attacked, before any training here.
    """
    told = config.preset(preset).curves
    if not told:
        return None
    pictures = assemble.dataset(cell.dataset).validation.take(slice(0, told.pictures))
    return curve_of(
        whole,
        bare,
        pictures.to(device),
        {name: assemble.attack(preset, name) for name in told.attacks},
        batch=config.preset(preset).evaluation.batch,
        points=told.points,
        compute=assemble.compute(preset, "train"),
    )
