"""A small evaluation of the smoke preset: its images, its defence, and attacks of a few steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atop.core import checkpoints
from atop.data import embedded
from atop.experiment import paths, presets
from atop.experiment.cells import Cell
from atop.experiment.stages.evaluation import Evaluate
from atop.pipeline import assemble
from atop.pipeline.datasets import fetch
from atop.pipeline.evaluation import evaluate
from atop.results import records

BARE = Cell(dataset="cifar10_slice", classifier="resnet_small")
CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
CPU = torch.device("cpu")
N = 16
PLACES = np.random.RandomState(0).choice(10000, 512, replace=False)[:N].tolist()
"""The test images that an evaluation takes."""
Change = Callable[[str, dict[str, Any]], None]
ROW = {"method": "pgd", "norm": "Linf", "eps": "8/255", "step_size": "2/255", "steps": 2}
ROW |= {"random_start": True, "eot": 1}
APGD = {"method": "autoattack", "attack": "apgd-ce", "version": "judged", "norm": "Linf"}
APGD |= {"eps": "8/255", "steps": 2, "eot": 1}
"""Rows of attacks, to be changed."""
TRAINED = {"code_sha": "abc", "created": "2026-01-01T00:00:00+00:00"}
"""The provenance of the purifier's weights."""


def prepare(change: Change) -> None:
    """Sixteen images in batches of eight, a suite of two attacks, the data, and a purifier."""
    change("presets/smoke", {"evaluation": {"n": N, "batch": 8}})
    quick = {"target": "classifier", "attacks": ["clean", "pgd-10"], "draws": 2}
    change("attacks", {"suites": {"quick": quick}})
    fetch("cifar10_slice")
    network = assemble.purifier(presets.get("smoke"), "deepfill")
    checkpoints.load(network, embedded.FOLDER / "deepfill.safetensors")
    metadata = {"settings": {"stage": "finetune"}, "provenance": TRAINED, "history": [{"step": 1}]}
    checkpoints.save(paths.purifier(presets.get("smoke"), CELL), network, metadata)


def run(cell: Cell, target: str = "classifier") -> dict[str, Any]:
    """The record of a cell under the suite."""
    path = evaluate.evaluate(
        Evaluate(preset=presets.get("smoke"), cell=cell, suite="quick", target=target), CPU
    )
    return records.read(path, cell=cell)


def predictions(record: dict[str, Any], attack: str) -> list[list[int]]:
    """What a record predicts under an attack, a list a draw."""
    found = records.evaluation(record, attack)
    assert found is not None
    answers: list[list[int]] = found["predictions"]
    return answers


def margin_of(logits: Tensor, labels: Tensor) -> Tensor:
    """The logit of the label less the largest other one; negative where misclassified."""
    true = logits.gather(1, labels[:, None])[:, 0]
    return true - logits.scatter(1, labels[:, None], -torch.inf).amax(1)
