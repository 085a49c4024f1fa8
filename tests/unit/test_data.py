"""Images as the stages see them: the slice of CIFAR-10, resizing as PIL does, augmenting."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from atop.core.randomness import Randomness
from atop.data import embedded
from atop.data.dataset import Dataset, Split
from atop.data.source import SPLITS, Fingerprints
from atop.experiment import config
from atop.operations import embed_resources
from atop.pipeline.training.augment import flip, shift


def test_the_slice_is_the_choice_of_lee_and_kim() -> None:
    found = embedded.read()
    chosen = np.random.RandomState(0).choice(10000, 512, replace=False)
    assert found.test.index == chosen.tolist()
    order = np.random.RandomState(0).permutation(50000).tolist()
    assert found.train.index == [*order[:2000], *order[-128:]]  # the last are held out
    for split, expected in config.dataset("cifar10_slice").sha256.given().items():
        prints, part = Fingerprints(), getattr(found, split)
        for image, label in zip(part.images, part.labels, strict=True):
            prints.add(image, label)
        assert prints.hashes()["sha256"] == expected


def test_a_slice_that_is_cut_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cifar_slice: Dataset
) -> None:
    test = cifar_slice.test
    none = test.take(slice(0, 0))
    whole = Dataset(test.take(slice(0, 130)), none, test.take(slice(130, 200)))
    monkeypatch.setattr(
        embed_resources, "SIZES", {"train": 12, "test": 7}
    )  # not whole rows of tiles
    monkeypatch.setattr(embed_resources, "COLUMNS", 5)
    monkeypatch.setattr(embed_resources, "VALIDATION", 4)
    embed_resources.cut(whole, seed=3, folder=tmp_path)
    found = embedded.read(tmp_path)
    for split in SPLITS:
        before, after = getattr(whole, split), getattr(found, split)
        order = np.random.RandomState(3).permutation(len(before))
        held_out = order[-4:] if split == "train" else []
        index = np.array([*order[: embed_resources.SIZES[split]], *held_out])
        assert after.index == index.tolist()
        assert np.array_equal(np.stack(list(after.images)), before.images[index].numpy())
        assert after.labels == before.labels[index].tolist()


def pil(images: Tensor, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.stack(
        [
            np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
            for image in images.numpy()
        ]
    )


@pytest.mark.parametrize("size", [256, 64, 16])
def test_inputs_are_resized_as_pil_resizes_the_file(images: Split, size: int) -> None:
    ours = images.inputs(size)
    assert ours.shape == (8, 3, size, size)
    assert ours.dtype == torch.float32
    levels = ours * 255
    assert (levels - levels.round()).abs().max() < 1e-4
    theirs = pil(images.images, size)
    assert np.array_equal(levels.round().permute(0, 2, 3, 1).numpy(), theirs)


@pytest.mark.parametrize("size", [128, 64])
def test_large_images_are_made_smaller_as_pil_does(cifar_slice: Dataset, size: int) -> None:
    """Images of 256 pixels, put together from small ones; a level at most where PIL rounds."""
    tiles = cifar_slice.test.images[:256].reshape(4, 8, 8, 32, 32, 3)
    images = tiles.transpose(2, 3).reshape(4, 256, 256, 3)
    large = Split(images, torch.zeros(4), torch.arange(4))
    ours = (large.inputs(size) * 255).permute(0, 2, 3, 1).numpy()
    difference = np.abs(ours - pil(images, size).astype(float))
    assert difference.max() < 1.001
    assert (difference > 0.5).mean() < 0.001


def test_inputs_at_their_own_size_are_the_pixels(images: Split) -> None:
    pixels = (images.inputs(32) * 255).round().byte()
    assert torch.equal(pixels, images.images.permute(0, 3, 1, 2))


def test_take_keeps_images_labels_and_places_together(cifar_slice: Dataset) -> None:
    test = cifar_slice.test
    part = test.take(torch.tensor([5, 2]))
    assert part.index.tolist() == [int(test.index[5]), int(test.index[2])]
    assert part.labels.tolist() == [int(test.labels[5]), int(test.labels[2])]
    assert torch.equal(part.images[1], test.images[2])
    assert len(part) == 2


def many(images: Split) -> tuple[Tensor, Randomness]:
    """An image 400 times, each an example of its own."""
    copies = images.images[:1].expand(400, -1, -1, -1)
    return copies, Randomness(0, "test", torch.arange(400))


def test_flip_mirrors_half_of_the_images(images: Split) -> None:
    copies, randomness = many(images)
    flipped = flip(copies, randomness)
    same = (flipped == copies).flatten(1).all(1)
    mirrored = (flipped == copies.flip(2)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 0.4 < float(mirrored.float().mean()) < 0.6
    assert torch.equal(flip(copies[7:9], randomness.select(slice(7, 9))), flipped[7:9])


def test_shift_moves_images_evenly_with_black_coming_in(images: Split) -> None:
    copies, randomness = many(images)
    copies = copies.clamp(min=1)
    shifted = shift(copies, randomness, most=2)
    assert shifted.shape == copies.shape
    seen = set()
    for one in shifted:
        rows, columns = (one.amax(dim=(k, 2)) > 0 for k in (1, 0))
        down, right = _moved(rows), _moved(columns)
        seen.add((down, right))
        back = torch.roll(one, (-down, -right), (0, 1))
        inside = back.amax(dim=2) > 0
        assert torch.equal(back[inside], copies[0][inside])
        assert int(inside.sum()) == (32 - abs(down)) * (32 - abs(right))
    assert seen == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}


def _moved(axis: Tensor) -> int:
    """By how much what is left of an axis has moved: black before it, or black after it."""
    first, last = int(axis.nonzero()[0]), int(axis.nonzero()[-1])
    return first if first else last - 31


def test_shift_takes_the_last_offset_too(images: Split) -> None:
    class Extreme(Randomness):
        def uniform(self, shape: tuple[int, ...], purpose: str) -> Tensor:
            return torch.full((len(self.index), *shape), 1 - 2**-24)

    moved = shift(images.images, Extreme(0, "", images.index), most=4)
    assert torch.equal(moved[:, :28, :28], images.images[:, 4:, 4:])
    assert (moved[:, 28:] == 0).all()
