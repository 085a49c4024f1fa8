"""Steps of AToP by this suite at any width and size, and the published way from the same weights.

Nothing is fetched: images are those that lie in the repository, weights are random or handed in.
"""

from copy import deepcopy
from functools import partial
from typing import Any

import torch
from reference import Published
from torch import nn

from atop.core.execution import FLOAT32, Compute
from atop.core.resizing import resize
from atop.data.dataset import Split
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.settings.recipes import Recipe
from atop.method.defense import Defense, Sizes
from atop.method.purifiers import deepfill
from atop.method.purifiers.deepfill.layers import GatedConv, RGBHead
from atop.pipeline import assemble
from atop.pipeline.training.purifier import Classification, PurifierTrainer

PAPER = presets.get("paper")
CELL = Cell(
    dataset="cifar10",
    classifier="resnet18",
    purifier="deepfill",
    transform="rt2",
    finetune="adversarial",
    recipe="official",
)
OFFICIAL = PAPER.recipe(CELL).model_copy(update={"ce_after_images": 0})


def networks(device: torch.device, *, width: int = 48) -> tuple[nn.Module, nn.Module]:
    """The paper's purifier and frozen ResNet-18 for 256 pixels, random as published."""
    torch.manual_seed(0)
    purifier = deepfill.build(width=width)
    for module in purifier.modules():
        if isinstance(module, GatedConv):
            nn.init.kaiming_uniform_(module.conv.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, RGBHead):
            module.conv.reset_parameters()
    for name, parameter in purifier.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    classifier = assemble.classifier(CELL.dataset, CELL.classifier)
    return purifier.to(device), classifier.to(device).eval().requires_grad_(False)


def atop_stage(
    data: Split,
    purifier: nn.Module,
    classifier: nn.Module,
    *,
    pixels: int,
    batch: int,
    recipe: Recipe = OFFICIAL,
    discriminator_width: int = 64,
    compute: Compute = FLOAT32,
    **options: Any,
) -> PurifierTrainer:
    """AToP of preset `paper`, with everything at `pixels`.

    Args:
        data: on the device of the networks.
        purifier: a DeepFill, which the stage trains.
        classifier: frozen.
        pixels: side length at which attack, purifier and classifier work.
        batch: images a step.
        recipe: under preset `paper`.
        discriminator_width: of its discriminator, with random weights.
        compute: how all networks are run.
        options: what else a PurifierTrainer takes.
    """
    compute.prepare(classifier)
    torch.manual_seed(0)
    loss = deepfill.build_loss(recipe=recipe.given(), discriminator_width=discriminator_width)
    transform = assemble.transform(PAPER, CELL)
    whole = Defense(
        transform=transform,
        purifier=purifier,
        classifier=classifier,
        sizes=Sizes(input=pixels, purifier=pixels, classifier=pixels),
        signed_classifier=recipe.classifier_range == "signed",
    )
    bare = recipe.attack_target == "classifier"
    target = (lambda x, _: classifier(x)) if bare else whole
    return PurifierTrainer(
        purifier=purifier,
        loss=loss.to(data.labels.device),
        transforms=[transform],
        data=data,
        input_size=pixels,
        resize=lambda x: resize(x, pixels),
        recipe=recipe,
        budget=PAPER.finetuning(CELL).model_copy(update={"batch": batch}),
        seed=CELL.seed,
        stream="train",
        classification=Classification(
            classify=partial(compute.run, whole.classify),
            attack=partial(assemble.attack(PAPER, "fgsm"), partial(compute.run, target)),
        ),
        compute=compute,
        **options,
    )


def published(stage: PurifierTrainer, classifier: nn.Module) -> Published:
    """The published way of that stage's steps, from copies of its networks, contiguous again."""
    copies = deepcopy((stage.purifier.generator, stage.loss.discriminator, classifier))
    generator, discriminator, f = (one.to(memory_format=torch.contiguous_format) for one in copies)
    return Published(generator=generator, discriminator=discriminator, classifier=f)
