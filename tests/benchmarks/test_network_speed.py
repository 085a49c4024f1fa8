"""Networks and steps of training: the paper's sizes when measured, tiny ones otherwise."""

from typing import Any

import pytest
import torch
from finetuning import atop_stage, networks
from measuring import DEVICE, images
from torch import Tensor, nn

from atop.core.execution import FLOAT32, Compute
from atop.core.randomness import Randomness
from atop.data.dataset import Dataset
from atop.experiment import presets
from atop.method.purifiers import deepfill
from atop.method.purifiers.deepfill.attention import ContextualAttention
from atop.method.transform import patch_ranks
from atop.pipeline import assemble
from atop.pipeline.training.purifier import PurifierTrainer

ON_GPU = DEVICE.type == "cuda"
COUNT = 16 if ON_GPU else 1
WAYS = {
    "float32": FLOAT32,
    "float32, channels last": Compute(channels_last=True),
    "float32, recomputing": Compute(recompute=True),
    "tf32": Compute(precision="tf32", channels_last=True),
    "bfloat16": Compute(precision="bfloat16", channels_last=True),
    "bfloat16, compiled": Compute(precision="bfloat16", channels_last=True, compile=True),
}
if not ON_GPU:
    del WAYS["tf32"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, benchmark: Any) -> str:
    if "compiled" in request.param and not benchmark.enabled:
        pytest.skip("compiling takes a minute; tests/unit/test_execution.py does it once")
    return str(request.param)


@pytest.fixture
def size(benchmark: Any) -> dict[str, int]:
    return {"width": 48, "pixels": 256} if benchmark.enabled else {"width": 8, "pixels": 64}


def masked(count: int, pixels: int) -> tuple[Tensor, Tensor]:
    """Images of which a quarter of the patches is missing, and the mask."""
    x = images(count, pixels)
    index = torch.arange(count, device=DEVICE)
    mask = (patch_ranks(x, Randomness(0, "benchmark", index), grid=8) < 16).to(x.dtype)
    return x * (1 - mask), mask


@pytest.mark.benchmark(group="Networks")
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward too"])
def test_generator(measure: Any, size: dict[str, int], way: str, backward: bool) -> None:
    compute = WAYS[way]
    network = deepfill.build(width=size["width"]).to(DEVICE)
    compute.prepare(network)
    compute.fuse(network)
    corrupted, mask = masked(COUNT, size["pixels"])
    weights = list(network.parameters())

    def run() -> Tensor:
        with torch.set_grad_enabled(backward), compute.arithmetic():
            out = compute.run(network, corrupted, mask)
            return torch.autograd.grad(out.sum(), weights)[0] if backward else out

    passes = "forward and backward" if backward else "forward"
    what = f"DeepFillv2, 256 pixels, {passes}, {way}"
    result = measure(run, what, images=COUNT, precision=compute.precision)
    assert torch.isfinite(result).all()
    assert result.shape == (weights[0] if backward else corrupted).shape


@pytest.mark.benchmark(group="Networks")
def test_dmae(measure: Any, benchmark: Any) -> None:
    preset = "paper" if benchmark.enabled else "smoke"
    network = assemble.purifier(presets.get(preset), "dmae").to(DEVICE)
    x, count = images(2 * COUNT, network.pixels), 2 * COUNT
    mask = torch.zeros_like(x[:, :1])
    weights = [one for one in network.parameters() if one.requires_grad]

    def run() -> Tensor:
        return torch.autograd.grad(network(x, mask).sum(), weights)[0]

    what = "DMAE-Base, 224 pixels, forward and backward, float32"
    assert torch.isfinite(measure(run, what, images=count)).all()


@pytest.mark.benchmark(group="Networks")
@pytest.mark.parametrize("batched", [True, False], ids=["batched", "one by one"])
def test_attention(measure: Any, size: dict[str, int], batched: bool) -> None:
    attention, count, side = ContextualAttention().to(DEVICE), 4 * COUNT, size["pixels"] // 4
    features = images(count, side).repeat(1, 2 * size["width"] // 3, 1, 1).requires_grad_(True)
    mask = masked(count, size["pixels"])[1]

    def run() -> Tensor:
        few = count if batched else 1
        parts = zip(features.split(few), mask.split(few), strict=True)
        out = torch.cat([attention(f, m) for f, m in parts])
        return torch.autograd.grad(out.sum(), features)[0]

    how = "a batch at once" if batched else "image by image"
    what = f"contextual attention, 96x64x64, forward and backward, {how}"
    assert torch.isfinite(measure(run, what, images=count)).all()


def stage(data: Dataset, size: dict[str, int], batch: int, compute: Compute) -> PurifierTrainer:
    """AToP under RT2 with a batch that comes again and again."""
    purifier, classifier = networks(DEVICE, width=size["width"])
    compute.prepare(classifier)
    return atop_stage(
        data.train.take(slice(0, batch)).to(DEVICE),
        purifier,
        classifier,
        pixels=size["pixels"],
        batch=batch,
        compute=compute,
    )


@pytest.mark.benchmark(group="Networks")
def test_atop_step(measure: Any, cifar_slice: Dataset, size: dict[str, int], way: str) -> None:
    batch, compute = COUNT // 2 or 1, WAYS[way]
    taken = stage(cifar_slice, {**size, "pixels": 256}, batch, compute)
    numbers = iter(range(10**6))
    what = f"AToP step, RT2, ResNet-18, 256 pixels, {way}"
    metrics = measure(
        lambda: taken.step(next(numbers)), what, images=batch, precision=compute.precision
    )
    assert all(torch.isfinite(value) for value in metrics.values())


@pytest.mark.benchmark(group="Batch size")
@pytest.mark.parametrize("batch", [1, 2, 4, 8, 16, 32, 64] if ON_GPU else [1, 2, 4])
def test_batch_size(measure: Any, cifar_slice: Dataset, size: dict[str, int], batch: int) -> None:
    compute = WAYS["bfloat16"] if ON_GPU else FLOAT32
    taken = stage(cifar_slice, {**size, "pixels": 256}, batch, compute)
    numbers = iter(range(10**6))
    what = f"AToP step, RT2, 256 pixels, {compute.precision}, batch {batch}"
    metrics = measure(
        lambda: taken.step(next(numbers)),
        what,
        images=batch,
        precision=compute.precision,
        rounds=3,
    )
    assert all(torch.isfinite(value) for value in metrics.values())


@pytest.mark.benchmark(group="Image size")
@pytest.mark.parametrize("pixels", [32, 64, 128, 256])
def test_image_size(measure: Any, size: dict[str, int], pixels: int) -> None:
    compute = WAYS["bfloat16"] if ON_GPU else FLOAT32
    network, count = deepfill.build(width=size["width"]).to(DEVICE), 4 * COUNT
    compute.prepare(network)
    corrupted, mask = masked(count, pixels)
    weights = list(network.parameters())

    def run() -> Tensor:
        with compute.arithmetic():
            out = compute.run(network, corrupted, mask)
            return torch.autograd.grad(out.sum(), weights)[0]

    what = f"DeepFillv2, forward and backward, {compute.precision}, {pixels} pixels"
    result = measure(run, what, images=count, precision=compute.precision, rounds=3)
    assert torch.isfinite(result).all()


@pytest.mark.benchmark(group="Networks")
@pytest.mark.parametrize("name", ["deepfill", "dmae"])
def test_purifiers_of_preset_smoke(measure: Any, name: str) -> None:
    network = assemble.purifier(presets.get("smoke"), name).to(DEVICE)
    pixels = {"deepfill": 48, "dmae": 32}[name]
    x = images(32, pixels)
    mask = torch.zeros_like(x[:, :1])
    weights: list[nn.Parameter] = [one for one in network.parameters() if one.requires_grad]

    def run() -> Tensor:
        return torch.autograd.grad(network(x, mask).sum(), weights)[0]

    what = f"{name} of preset smoke, {pixels} pixels, forward and backward, float32"
    assert torch.isfinite(measure(run, what, images=32)).all()
