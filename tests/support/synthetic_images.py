"""Stored images of the smoke preset: of purifiers that nobody fine-tuned, under one attack."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from atop.core import checkpoints
from atop.data import embedded
from atop.experiment import paths, presets
from atop.experiment.cells import Cell
from atop.experiment.stages.attack import Attack
from atop.experiment.stages.evaluation import TraceImages
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.datasets import fetch
from atop.pipeline.evaluation.trace_images import trace
from atop.results import stored_images

CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="none",
)  # fmt: skip
TRANSFORMS = ("rt1", "rt2", "rt3")
DMAE = replace(CELL, purifier="dmae", transform="tokens")
CPU = torch.device("cpu")
KEPT = 3
Change = Callable[[str, dict[str, Any]], None]


def prepare(change: Change) -> None:
    """Data, an adversarial set and purifiers, where a run would have put them."""
    change("presets/smoke", {"evaluation": {"n": 8, "batch": 8}})
    change("image_grids", {"images": KEPT})
    fetch("cifar10_slice")
    make_adversarial(Attack(preset=presets.get("smoke"), cell=CELL.bare, attack="fgsm"), CPU)
    for cell in (*(replace(CELL, transform=one) for one in TRANSFORMS), DMAE):
        for finetune in ("none", "adversarial"):
            network = assemble.purifier(presets.get("smoke"), cell.purifier)
            checkpoints.load(network, embedded.FOLDER / f"{cell.purifier}.safetensors")
            checkpoints.save(
                paths.purifier(presets.get("smoke"), replace(cell, finetune=finetune)), network, {}
            )


def store(cell: Cell) -> stored_images.StoredImages:
    """Store the images of a cell, and read them."""
    return stored_images.read(
        trace(TraceImages(preset=presets.get("smoke"), cell=cell, attack="fgsm"), CPU)
    )


def store_all() -> None:
    """Store all that the figures show of DeepFill."""
    for transform in TRANSFORMS:
        for finetune in ("none", "adversarial"):
            store(replace(CELL, transform=transform, finetune=finetune))
