"""A fine-tuning step beside the published one: equal losses, and a speed-up in one run."""

import statistics
from itertools import chain, count, repeat
from typing import Any

import pytest
import torch
from counting import Operations
from finetuning import atop_stage, networks, published
from measuring import DEVICE, Run, timed
from reference import loader
from torch import Tensor, nn

from atop.core.execution import FLOAT32, Compute
from atop.data.dataset import Dataset
from atop.method.transforms.rt2 import RT2
from atop.pipeline.training.purifier import PurifierTrainer

GPU = (pytest.mark.gpu, pytest.mark.skipif(DEVICE.type == "cpu", reason="no CUDA device"))
BFLOAT16 = Compute(precision="bfloat16", channels_last=True)


def draws(stage: PurifierTrainer, number: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What a step takes, in the form that the published one does: x, labels, noise, mask."""
    x, labels, randomness = stage._batch(number)
    (rt2,) = stage.transforms
    assert isinstance(rt2, RT2)
    noise = rt2.sigma * randomness.normal(tuple(x.shape[1:]), "noise")
    return x, labels, noise, rt2(x, randomness).mask[:1, 0]


class Side:
    """A way of taking a step: what it multiplies, and the seconds of each."""

    def __init__(self, step: Run, *, batch: int) -> None:
        with Operations() as counted:
            step()
        self.step, self.batch, self.operations = step, batch, counted.total
        self.seconds: list[float] = []

    def __call__(self) -> Any:
        result, seconds = timed(self.step)
        self.seconds.append(seconds)
        return result

    def row(self, name: str) -> dict[str, float]:
        seconds = statistics.median(self.seconds[1:])  # the first one warms up
        row = {
            "seconds": seconds,
            "gflop_per_image": self.operations / self.batch / 1e9,
            "tflops": self.operations / seconds / 1e12,
        }
        return {f"{name}_{key}": float(f"{value:.4g}") for key, value in row.items()}


@pytest.mark.parametrize("trained", ["purifier", "classifier"])
def test_twenty_steps_have_the_losses_of_the_published_ones(
    purifier: nn.Module, classifier: nn.Module, cifar_slice: Dataset, trained: str
) -> None:
    """With both networks trained, rounding alone would part the two sides.

    L1 has a kink where a pixel is right, and cross-entropy is steep at adversarial images. A
    trained purifier fills holes by attention; a trained classifier has gradients that tell.
    """
    untrained, resnet18 = networks(torch.device("cpu"), width=8)
    g, f = (purifier, resnet18) if trained == "purifier" else (untrained, classifier)
    g.requires_grad_(True)
    stage = atop_stage(cifar_slice.train, g, f, pixels=64, batch=2, discriminator_width=8)
    theirs = published(stage, f)
    for number in range(20):
        expected = theirs.step(*draws(stage, number))
        found = stage.step(number)
        assert set(found) == set(expected) == {"l1", "d", "gan", "ce"}
        for name, value in expected.items():
            assert float(found[name]) == pytest.approx(float(value), abs=1e-4), (number, name)


def test_the_published_way_prepares_the_same_images_and_draws_alike(cifar_slice: Dataset) -> None:
    data = cifar_slice.train.take(slice(0, 8))
    ((x, labels),) = loader(data, pixels=64, batch=8, workers=0)
    assert sorted(labels) == sorted(data.labels)
    ours = data.inputs(64)
    for one in x:  # shuffled, some of them mirrored
        assert min((ours - form).abs().amax((1, 2, 3)).min() for form in (one, one.flip(2))) == 0
    stage = atop_stage(
        data, *networks(torch.device("cpu"), width=8), pixels=64, batch=8, discriminator_width=8
    )
    theirs = published(stage, nn.Identity())
    mask, noise = theirs._mask(x), theirs._noise(x)
    _, _, our_noise, our_mask = draws(stage, 0)
    assert mask.shape == our_mask.shape
    assert mask.unique().tolist() == [0, 1]
    assert mask.sum() == our_mask.sum()
    assert not torch.equal(mask, theirs._mask(x))
    patches = mask.unflatten(2, (8, 8)).unflatten(4, (8, 8))
    assert torch.equal(patches.amax((3, 5)), patches.amin((3, 5)))
    assert float(noise.std()) == pytest.approx(float(our_noise.std()), rel=0.02)


@pytest.mark.benchmark(group="Beside the published step")
@pytest.mark.parametrize(
    ("compute", "precision"),
    [
        (FLOAT32, "float32"),
        pytest.param(BFLOAT16, "float32", marks=GPU),
        pytest.param(BFLOAT16, "tf32", marks=GPU),  # as PyTorch convolves unless told otherwise
    ],
    ids=lambda one: one if isinstance(one, str) else one.precision,
)
def test_speed_of_a_step(
    benchmark: Any, compare: Any, cifar_slice: Dataset, compute: Compute, precision: str
) -> None:
    """Whole steps, preparation of the data included."""
    on_gpu = DEVICE.type == "cuda"
    pixels, batch = 256 if benchmark.enabled else 64, 8 if on_gpu else 2
    data = cifar_slice.train
    purifier, classifier = networks(DEVICE)
    stage = atop_stage(
        data.to(DEVICE), purifier, classifier, pixels=pixels, batch=batch, compute=compute
    )
    reference = published(stage, classifier)
    numbers = count()
    # The authors' eight workers; on a CPU they would take the cores from the step.
    prepared = loader(data, pixels=pixels, batch=batch, workers=8 if on_gpu else 0)
    batches = chain.from_iterable(repeat(prepared))

    def published_step() -> dict[str, Tensor]:
        with Compute(precision=precision).arithmetic():
            return reference.step(*next(batches))

    ours = Side(lambda: stage.step(next(numbers)), batch=batch)
    theirs = Side(published_step, batch=batch)
    what = f"AToP step, {pixels} pixels, batch {batch}, {compute.precision}; published: {precision}"
    for losses in compare(ours, theirs, what, rounds=5):
        assert all(torch.isfinite(value) for value in losses.values())
    assert theirs.operations > 1.6 * ours.operations  # one pass through the generator, not two
    if benchmark.enabled:
        benchmark.extra_info |= {
            "speedup": round(1 / benchmark.extra_info["ratio"], 2),
            **ours.row("ours"),
            **theirs.row("published"),
        }
