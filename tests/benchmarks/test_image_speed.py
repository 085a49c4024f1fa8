"""What happens to images between networks: randomness, transforms, sizes."""

from typing import Any

import pytest
import torch
from measuring import DEVICE, images

from atop.core.randomness import Randomness
from atop.core.resizing import resize
from atop.data.dataset import Dataset, Split
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.pipeline import assemble

pytestmark = pytest.mark.benchmark(group="Data and randomness")
COUNT, PIXELS = 16, 256


@pytest.fixture
def randomness() -> Randomness:
    return Randomness(0, "benchmark", torch.arange(COUNT, device=DEVICE))


@pytest.mark.parametrize("ours", [True, False], ids=["counter-based", "torch.randn"])
def test_noise(measure: Any, randomness: Randomness, ours: bool) -> None:
    shape = (3, PIXELS, PIXELS)

    def run() -> torch.Tensor:
        if ours:
            return randomness.normal(shape, "noise")
        return torch.randn(COUNT, *shape, device=DEVICE)

    what = f"normal noise, {'counter-based' if ours else 'torch.randn'}"
    assert measure(run, what, images=COUNT).shape == (COUNT, *shape)


def test_masks(measure: Any, randomness: Randomness) -> None:
    found = measure(lambda: randomness.permutation(64, "mask"), "masks of 8x8", images=COUNT)
    assert torch.equal(found.sort().values[0].cpu(), torch.arange(64))


@pytest.mark.parametrize("name", ["rt1", "rt2", "rt3", "tokens"])
def test_transform(measure: Any, randomness: Randomness, name: str) -> None:
    purifier = "dmae" if name == "tokens" else "deepfill"
    cell = Cell(dataset="cifar10", classifier="any", purifier=purifier, transform=name)
    paper = presets.get("paper")
    t, pixels = assemble.transform(paper, cell), paper.sizes(cell).purifier
    x, what = images(COUNT, pixels), f"transform {name}, {pixels} pixels"
    views = measure(lambda: t(x, randomness), what, images=COUNT)
    assert 0.2 < views.mask.mean() < 0.3


@pytest.mark.parametrize(("before", "after"), [(32, 256), (256, 32), (256, 224)])
def test_resize(measure: Any, before: int, after: int) -> None:
    x = images(COUNT, before)
    found = measure(lambda: resize(x, after), f"resize {before} to {after}", images=COUNT)
    assert found.shape[-1] == after


def test_inputs(measure: Any, cifar_slice: Dataset) -> None:
    split: Split = cifar_slice.train.take(slice(0, COUNT)).to(DEVICE)
    what = "bytes of 32 pixels to inputs of 256, as PIL resizes"
    assert measure(lambda: split.inputs(PIXELS), what, images=COUNT).shape[-1] == PIXELS
