"""Training and attacks run on a CUDA device and agree with the CPU; `pytest -m gpu`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from atop.core import resumable
from atop.core.execution import FLOAT32, Compute
from atop.core.resizing import resize
from atop.core.resumable import State
from atop.data.dataset import Dataset
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.settings.presets import PurifierTraining
from atop.pipeline import assemble
from atop.pipeline.training.classifier import ClassifierTrainer
from atop.pipeline.training.loop import train
from atop.pipeline.training.purifier import Classification, PurifierTrainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
CUDA = torch.device("cuda")
BUDGET = PurifierTraining(
    images=12,
    batch=4,
    lr=1e-4,
    betas=(0.9, 0.95),
    weight_decay=0.05,
    schedule="constant",
    clip=None,
)
SMOKE, PAPER = presets.get("smoke"), presets.get("paper")
CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", transform="rt2"
)


def stage(
    data: Dataset,
    device: torch.device,
    cell: Cell = CELL,
    parts: int = 1,
    compute: Compute = FLOAT32,
    **recipe: Any,
) -> PurifierTrainer:
    torch.manual_seed(0)
    purifier = assemble.purifier(SMOKE, cell.purifier).to(device)
    made = PAPER.recipe(cell).model_copy(update=recipe)
    loss = assemble.loss(SMOKE, cell.purifier, made)
    network = assemble.classifier(cell.dataset, cell.classifier).to(device)
    classifier = network.eval().requires_grad_(False)
    pipeline = assemble.join(SMOKE, cell, purifier, classifier)
    fgsm = assemble.attack(SMOKE, "fgsm")
    size = SMOKE.sizes(cell).purifier
    return PurifierTrainer(
        purifier=purifier,
        loss=loss.to(device),
        transforms=[assemble.transform(SMOKE, cell)],
        data=data.train.take(slice(0, 16)).to(device),
        input_size=32,
        resize=lambda x: resize(x, size),
        recipe=made,
        budget=BUDGET.model_copy(update={"parts": parts}),
        seed=0,
        stream="test",
        classification=Classification(
            classify=pipeline.classify, attack=lambda x, y, r: fgsm(pipeline, x, y, r)
        ),
        compute=compute,
    )


@pytest.mark.parametrize("transform", ["rt1", "rt2", "rt3"])
@pytest.mark.parametrize("spectral_norm", ["parametrized", "in_place"])
def test_a_step_agrees_with_the_cpu(
    cifar_slice: Dataset, transform: str, spectral_norm: str
) -> None:
    gan = "full" if spectral_norm == "parametrized" else "detached"
    cell = replace(CELL, transform=transform)
    results = [
        stage(cifar_slice, device, cell, gan=gan, spectral_norm=spectral_norm).step(0)
        for device in (torch.device("cpu"), CUDA)
    ]
    for name in ("l1", "ce"):
        assert float(results[1][name]) == pytest.approx(float(results[0][name]), rel=0.02)


def test_a_step_of_dmae_in_parts_agrees_with_the_cpu(cifar_slice: Dataset) -> None:
    cell = replace(CELL, purifier="dmae", transform="tokens")
    results = [
        stage(cifar_slice, device, cell, parts=2).step(0) for device in (torch.device("cpu"), CUDA)
    ]
    for name in ("mae", "ce"):
        assert float(results[1][name]) == pytest.approx(float(results[0][name]), rel=0.02)


def test_a_run_resumes_on_the_device(
    cifar_slice: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", -1.0)
    whole = stage(cifar_slice, CUDA)
    train(whole, state=State(tmp_path / "a.pt", "x"), title="whole")
    first = stage(cifar_slice, CUDA)
    first.steps = 2
    train(first, state=State(tmp_path / "b.pt", "x"), title="first")
    second = stage(cifar_slice, CUDA)
    train(second, state=State(tmp_path / "b.pt", "x"), title="second")
    for a, b in zip(whole.purifier.parameters(), second.purifier.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_a_classifier_step(cifar_slice: Dataset) -> None:
    budget = PAPER.classifier_training("cifar10", "resnet18")
    budget = budget.model_copy(update={"epochs": 1, "batch": 8})
    network = assemble.classifier("cifar10", "resnet18").to(CUDA)
    data = cifar_slice.train.take(slice(0, 16)).to(CUDA)
    metrics = ClassifierTrainer(network, data, size=256, budget=budget, seed=0).step(0)
    assert torch.isfinite(metrics["loss"])


def test_enlarged_images_are_those_of_the_cpu(cifar_slice: Dataset) -> None:
    few = cifar_slice.test.take(slice(0, 8))
    assert (few.inputs(256) - few.to(CUDA).inputs(256).cpu()).abs().max() <= 1 / 255 + 1e-6
