"""What a purifier's training consists of, assembled from the config: stage, AToP term, curve."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from atop import assemble, config, stages
from atop.cells import Cell
from atop.errors import AtopError
from atop.resizing import resize
from atop.training.curves import Curve, curve_of
from atop.training.purifier import Classification, PurifierStage


def purifier_stage(
    preset: str,
    cell: Cell,
    network: nn.Module,
    *,
    transforms: list[str],
    device: torch.device,
    recipe: dict[str, Any],
    **options: Any,
) -> PurifierStage:
    """The training of a purifier as a recipe says, on a cell's data.

    Args:
        preset: whose options, losses and sizes it takes.
        cell: whose data, purifier and seed it takes.
        network: the purifier.
        transforms: by name; which come before it, in turn.
        device: where the data goes; the network is there already.
        recipe: under the preset.
        options: what else a PurifierStage takes.
    """
    torch.manual_seed(cell.seed)  # initial weights of a loss that has networks
    loss = assemble.loss(preset, cell.purifier, recipe)
    sizes = assemble.sizes(preset, cell)
    return PurifierStage(
        purifier=network,
        loss=loss.to(device),
        transforms=[assemble.transform(preset, replace(cell, transform=t)) for t in transforms],
        data=assemble.dataset(cell.dataset).train.to(device),
        input_size=sizes.input,
        resize=lambda x: resize(x, sizes.purifier),
        recipe=recipe,
        seed=cell.seed,
        shift=config.dataset(cell.dataset)["shift"],
        **options,
    )


def classification(
    preset: str, cell: Cell, recipe: dict[str, Any], network: nn.Module, device: torch.device
) -> Classification | None:
    """The AToP term of a cell: none for L_org, clean examples or FGSM examples otherwise.

    Raises:
        AtopError: the training ends before its recipe adds the term.
    """
    if cell.finetune in ("none", "continued"):
        return None
    images = stages.finetune(preset, cell)["images"]
    if recipe["ce_after_images"] >= images:
        raise AtopError(
            f"presets/{preset}.yaml: stages.atop: {images} images end before recipe {cell.recipe} "
            f"adds the classification loss (ce_after_images {recipe['ce_after_images']}); "
            "raise images, or set recipe.ce_after_images there"
        )
    bare = assemble.defense(preset, cell.bare).to(device)
    pipeline = assemble.pipeline(preset, cell, network, bare.classifier)
    if cell.finetune == "clean":
        return Classification(classify=pipeline.classify, attack=None)
    target = bare if recipe["attack_target"] == "classifier" else pipeline
    fgsm = assemble.attack(preset, "fgsm")
    return Classification(
        classify=pipeline.classify, attack=lambda x, y, randomness: fgsm(target, x, y, randomness)
    )


def curve(
    preset: str,
    cell: Cell,
    purifier: nn.Module,
    device: torch.device,
    *,
    classifier: nn.Module | None = None,
) -> Curve | None:
    """What is measured while a cell is fine-tuned, if the preset says so.

    Args:
        preset: whose `curves` say it.
        cell: in training.
        purifier: its g.
        device: where all of it is.
        classifier: its f, if that is what trains; else the bare one, which is also attacked.
    """
    told = config.preset(preset).get("curves")
    if not told:
        return None
    bare = assemble.defense(preset, cell.bare).to(device)
    pictures = assemble.dataset(cell.dataset).held_out.take(slice(0, told["pictures"]))
    return curve_of(
        assemble.pipeline(preset, cell, purifier, classifier or bare.classifier),
        bare,
        pictures.to(device),
        {name: assemble.attack(preset, name) for name in told["attacks"]},
        batch=config.preset(preset)["evaluation"]["batch"],
        points=told["points"],
    )
