"""Speed, as ratios within one run: `pytest tests/benchmarks --benchmark-enable`.

Each group holds a piece of this suite and what it stands against, or the purifiers of a preset;
read the ratio of their medians. `extra_info.images_per_second` is a purifier's speed, printed
with `-s`.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atop import assemble, config
from atop.cells import Cell
from atop.data.dataset import Dataset
from atop.purifiers.deepfill.attention import ContextualAttention
from atop.randomness import Randomness
from atop.transforms._base import patch_ranks

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
Benchmark = Callable[..., Any]
PICTURES = {"smoke": 32, "paper": 16}
PAPER = (pytest.mark.gpu, pytest.mark.skipif(DEVICE.type == "cpu", reason="no CUDA device"))


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


@pytest.fixture(params=["forward", "forward and backward"])
def backward(request: pytest.FixtureRequest) -> bool:
    """Whether the weights' gradient is asked for, as training does."""
    return bool(request.param == "forward and backward")


@pytest.fixture(params=["smoke", pytest.param("paper", marks=PAPER)])
def preset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def purifier_at_work(preset: str, name: str, pictures: Dataset) -> tuple[nn.Module, Tensor, Tensor]:
    """A purifier with random weights; at its size pictures of which the same quarter is missing."""
    torch.manual_seed(0)
    cell = Cell(dataset="cifar10", classifier="any", purifier=name)
    split = pictures.test.take(slice(0, PICTURES[preset])).to(DEVICE)
    x = split.inputs(config.sizes(preset, cell)["purifier"])
    mask = (patch_ranks(x, Randomness(0, "benchmark", split.index), grid=2) < 1).to(x.dtype)
    return assemble.purifier(preset, name).to(DEVICE), x * (1 - mask), mask


@pytest.mark.parametrize("name", ["deepfill", "dmae"])
def test_purifier(
    benchmark: Any,
    request: pytest.FixtureRequest,
    cifar_slice: Dataset,
    preset: str,
    backward: bool,
    name: str,
) -> None:
    purifier, corrupted, mask = purifier_at_work(preset, name, cifar_slice)
    weights = [one for one in purifier.parameters() if one.requires_grad]

    def run() -> Tensor:
        with torch.set_grad_enabled(backward):
            out: Tensor = purifier(corrupted, mask)
        return torch.autograd.grad(out.sum(), weights)[0] if backward else out

    passes = "forward and backward" if backward else "forward"
    benchmark.group = f"purifiers of preset {preset}, {PICTURES[preset]} pictures, {passes}"
    result = benchmark(synchronised(run))
    assert result.shape == (weights[0] if backward else corrupted).shape
    assert torch.isfinite(result).all()
    if benchmark.enabled:
        speed = len(corrupted) / benchmark.stats.stats.median
        benchmark.extra_info["images_per_second"] = round(speed, 1)
        line = f" {benchmark.group}: {name} {speed:.1f} images a second"
        request.config.get_terminal_writer().line(line)
