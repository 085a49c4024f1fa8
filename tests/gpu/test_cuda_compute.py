"""Number formats, recomputation and a loop that never waits, on a CUDA device; `pytest -m gpu`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_training import CELL, CUDA, SMOKE, stage

from atop.core.execution import FLOAT32, Compute
from atop.core.randomness import Randomness
from atop.data.dataset import Dataset
from atop.experiment import presets
from atop.method.eot import BatchedTarget
from atop.pipeline import assemble
from atop.pipeline.execution import resolve, timing

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
WAYS = {
    "tf32": Compute(precision="tf32", channels_last=True),
    "bfloat16": Compute(precision="bfloat16", channels_last=True),
    "recomputing": Compute(recompute=True),
    "compiled": Compute(precision="bfloat16", compile=True),
}


@contextmanager
def no_waiting() -> Iterator[None]:
    """Whoever makes the host wait for the device raises an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("transform", ["rt1", "rt2", "rt3"])
def test_a_step_does_not_wait(cifar_slice: Dataset, transform: str) -> None:
    taken = stage(cifar_slice, CUDA, replace(CELL, transform=transform))
    taken.step(0)
    with no_waiting():
        taken.step(1)


def test_an_attack_does_not_wait(cifar_slice: Dataset) -> None:
    network = assemble.purifier(SMOKE, CELL.purifier)
    classifier = assemble.classifier(CELL.dataset, CELL.classifier)
    defense = assemble.join(SMOKE, CELL, network, classifier).cuda().eval()
    few = cifar_slice.test.take(slice(0, 4)).to(CUDA)
    x, draw = few.inputs(32), Randomness(0, "attack", few.index)
    attack, target = assemble.attack(SMOKE, "pgd-10"), BatchedTarget(defense, rows=64)
    attack(target, x, few.labels, draw)
    with no_waiting():
        attack(target, x, few.labels, draw)


@pytest.mark.parametrize("way", WAYS)
def test_a_step_agrees_with_float32(cifar_slice: Dataset, way: str) -> None:
    with FLOAT32.arithmetic():
        expected = stage(cifar_slice, CUDA).step(0)
    found = stage(cifar_slice, CUDA, compute=WAYS[way]).step(0)
    for name in ("l1", "ce"):
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=0.05)


def test_auto_times_what_the_card_has_and_leaves_the_generators_alone(
    change: Callable[[str, dict[str, Any]], None], workdir: Path
) -> None:
    auto = {"precision": "auto", "channels_last": "auto"}
    change("presets/smoke", {"compute": {"train": auto}})
    before = torch.get_rng_state(), torch.cuda.get_rng_state()
    chosen = resolve.compute(presets.get("smoke"), "train", CELL, CUDA)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(torch.cuda.get_rng_state(), before[1])
    assert len(chosen.timings) == 2 * len(timing.precisions(CUDA))
    assert chosen.timings[chosen.name] <= chosen.timings["float32"]
    again = resolve.compute(presets.get("smoke"), "train", CELL, CUDA)
    assert again.provenance() == chosen.provenance()


def test_recomputing_takes_less_memory(cifar_slice: Dataset) -> None:
    peaks = []
    for compute in (FLOAT32, WAYS["recomputing"]):
        taken: Any = stage(cifar_slice, CUDA, compute=compute)
        taken.step(0)
        torch.cuda.reset_peak_memory_stats()
        taken.step(1)
        peaks.append(torch.cuda.max_memory_allocated())
    assert peaks[1] < 0.8 * peaks[0]


def test_a_preset_may_train_and_attack_as_it_says() -> None:
    for name in presets.names():
        for kind in ("train", "attack"):
            compute = assemble.compute(presets.get(name), kind)
            with compute.arithmetic():
                out = compute.run(torch.nn.Conv2d(3, 4, 3).cuda(), torch.rand(1, 3, 8, 8).cuda())
            assert out.dtype == torch.float32
