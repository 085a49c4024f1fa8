"""Speed, as ratios within one run: `pytest tests/benchmarks --benchmark-enable`.

Each group holds a piece of this suite and what it stands against; read the ratio of their medians.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from atop import assemble
from atop.purifiers.deepfill.attention import ContextualAttention
from atop.randomness import Randomness
from atop.registry import build

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
Benchmark = Callable[..., Any]


def synchronised(run: Callable[[], Any]) -> Callable[[], Any]:
    def timed() -> Any:
        result = run()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        return result

    return timed


@pytest.mark.benchmark(group="attention, 32 maps of 16x12x12, forward and backward")
@pytest.mark.parametrize("batched", [True, False], ids=["batched", "one by one"])
def test_attention(benchmark: Benchmark, batched: bool) -> None:
    attention = ContextualAttention().to(DEVICE)
    features = torch.rand(32, 16, 12, 12, device=DEVICE, requires_grad=True)
    mask = (torch.rand(32, 1, 6, 6, device=DEVICE) < 0.25).float()
    mask = mask.repeat_interleave(8, 2).repeat_interleave(8, 3)

    def run() -> Tensor:
        size = 32 if batched else 1
        parts = zip(features.split(size), mask.split(size), strict=True)
        out = torch.cat([attention(f, m) for f, m in parts])
        return torch.autograd.grad(out.sum(), features)[0]

    gradient = benchmark(synchronised(run))
    assert torch.isfinite(gradient).all()


@pytest.mark.benchmark(group="noise for 32 pictures of 3x48x48")
@pytest.mark.parametrize("counter_based", [True, False], ids=["counter-based", "torch.randn"])
def test_noise(benchmark: Benchmark, counter_based: bool) -> None:
    randomness = Randomness(0, "benchmark", torch.arange(32, device=DEVICE))
    ours = lambda: randomness.normal((3, 48, 48), "noise")  # noqa: E731
    theirs = lambda: torch.randn(32, 3, 48, 48, device=DEVICE)  # noqa: E731
    noise = benchmark(synchronised(ours if counter_based else theirs))
    assert noise.shape == (32, 3, 48, 48)


@pytest.mark.benchmark(group="purifier of the smoke preset, 32 pictures")
@pytest.mark.parametrize("name", ["rt1", "rt2", "rt3"])
def test_purify(benchmark: Benchmark, name: str) -> None:
    purifier = build("purifiers", "deepfill", width=8).to(DEVICE)
    transform = assemble.transform(name)
    x = torch.rand(32, 3, 48, 48, device=DEVICE)
    randomness = Randomness(0, "benchmark", torch.arange(32, device=DEVICE))

    @torch.no_grad()
    def run() -> Tensor:
        views = transform(x, randomness)
        images, masks = views.images.flatten(0, 1), views.mask.flatten(0, 1)
        return transform.combine(
            purifier(images, masks).unflatten(0, views.mask.shape[:2]), views.mask
        )

    assert benchmark(synchronised(run)).shape == x.shape
