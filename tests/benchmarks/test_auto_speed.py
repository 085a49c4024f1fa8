"""Steps of training under `precision: auto`, beside float32 and the bfloat16 of the GPU presets.

`auto` chooses on the device that measures; the row of its step names the choice.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from measuring import DEVICE, Run

from atop.core.execution import Compute
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.stages.finetuning import Finetune
from atop.operations.cost import ready

WAYS: dict[str, dict[str, Any]] = {
    "float32": {"precision": "float32", "channels_last": False},
    "bfloat16": {"precision": "bfloat16", "channels_last": True},
    "auto": {"precision": "auto", "channels_last": "auto"},
}
NETWORKS = {"native": ("cifar10", "resnet18_32"), "smoke": ("cifar10_slice", "resnet_small")}
NOISE = 1.05
"""Largest ratio of times that are equal."""


class Step(NamedTuple):
    """A step of AToP that is ready to run."""

    run: Run
    images: int
    compute: Compute


@pytest.fixture
def step(
    change: Callable[[str, dict[str, Any]], None], workdir: Path, benchmark: Any
) -> Callable[[str], Step]:
    """Make a step one of WAYS: of preset native, or of preset smoke if nothing is timed."""
    name = "native" if benchmark.enabled else "smoke"
    dataset, classifier = NETWORKS[name]
    cell = Cell(
        dataset=dataset, classifier=classifier, purifier="deepfill", init="scratch",
        transform="rt2", finetune="adversarial",
    )  # fmt: skip

    def of(way: str) -> Step:
        change(f"presets/{name}", {"compute": {"train": WAYS[way]}})
        operation = next(iter(Finetune(preset=presets.get(name), cell=cell).workload().images))
        batch = 2 if name == "smoke" else operation.batch if DEVICE.type == "cuda" else 4
        made = ready.training(operation, DEVICE, batch=batch)
        return Step(made.run, made.images, ready.execution_of(operation, DEVICE))

    return of


@pytest.mark.benchmark(group="Networks")
@pytest.mark.parametrize("way", WAYS)
def test_step(measure: Any, step: Callable[[str], Step], way: str) -> None:
    run, images, compute = step(way)
    what = f"AToP step of preset native, {images} images, {way}"
    what += f": {compute.name}" if way == "auto" else ""
    measure(run, what, images=images, precision=compute.precision, rounds=3)


@pytest.mark.benchmark(group="Beside float32")
def test_auto_beside_float32(benchmark: Any, compare: Any, step: Callable[[str], Step]) -> None:
    plain, auto = step("float32"), step("auto")
    what = f"AToP step of preset native, {auto.images} images, auto"
    compare(auto.run, plain.run, what, rounds=5)
    assert auto.compute.timings
    if benchmark.enabled:
        assert benchmark.extra_info["ratio"] < NOISE
