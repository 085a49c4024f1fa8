"""Datasets: the same pixels from every source, refused if they are not, and served as PIL would."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from atop import assemble, config, data, paths
from atop.data import Dataset, Split, cifar10, embedded
from atop.data.dataset import check_labels, content_sha256
from atop.data.fetch import fetch
from atop.errors import AtopError
from atop.randomness import Randomness
from atop.training.augment import flip, shift

Arrays = dict[str, Any]
PART = 4  # pictures in a file of the synthetic CIFAR-10


@pytest.fixture
def synthetic() -> Arrays:
    """A CIFAR-10 of 20 training and 4 test pictures."""
    rng = np.random.RandomState(0)
    arrays: Arrays = {}
    for split, size in (("train", 5 * PART), ("test", PART)):
        arrays[f"{split}_images"] = rng.randint(0, 256, (size, 32, 32, 3)).astype(np.uint8)
        arrays[f"{split}_labels"] = rng.randint(0, 10, size).astype(np.uint8)
    return arrays


def write_pngs(folder: Path, arrays: Arrays) -> None:
    """As the npm mirror unpacks: a picture a row, labels as JSON (names as it spells them)."""
    folder.mkdir(parents=True)
    for split, name in (("train", "data_batch_{}.png"), ("test", "test_batch.png")):
        images = arrays[f"{split}_images"]
        for number, start in enumerate(range(0, len(images), PART), start=1):
            rows = images[start : start + PART].reshape(PART, 32 * 32, 3)
            Image.fromarray(rows).save(folder / name.format(number))
        (folder / f"{split}_lables.json").write_text(json.dumps(arrays[f"{split}_labels"].tolist()))


def write_batches(folder: Path, arrays: Arrays) -> None:
    """As torchvision unpacks: pickled batches of channels-first rows."""
    folder.mkdir(parents=True)
    for split, name in (("train", "data_batch_{}"), ("test", "test_batch")):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        for number, start in enumerate(range(0, len(images), PART), start=1):
            part = slice(start, start + PART)
            rows = images[part].transpose(0, 3, 1, 2).reshape(PART, -1)
            batch = {"data": rows, "labels": labels[part].tolist()}
            (folder / name.format(number)).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))


@pytest.fixture
def no_md5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision read batches that are not the published ones."""
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)


@pytest.mark.usefixtures("no_md5")
def test_both_layouts_give_the_same_arrays(tmp_path: Path, synthetic: Arrays) -> None:
    write_pngs(tmp_path / "mirror" / "package", synthetic)
    write_batches(tmp_path / "official" / "some" / "cifar-10-batches-py", synthetic)
    for folder in ("mirror", "official"):
        found = cifar10.fetch(tmp_path / folder)
        assert found.keys() == synthetic.keys()
        for name, expected in synthetic.items():
            assert found[name].dtype == np.uint8
            assert np.array_equal(found[name], expected), name


def test_pixels_with_the_published_hash_are_stored_with_their_places(
    tmp_path: Path, synthetic: Arrays, change: Any, workdir: Path
) -> None:
    write_pngs(tmp_path / "mirror", synthetic)
    sums = {
        split: content_sha256(synthetic[f"{split}_images"], synthetic[f"{split}_labels"])
        for split in ("train", "test")
    }
    change("datasets", {"cifar10": {"sha256": sums}})
    path = fetch("cifar10", folder=tmp_path / "mirror")
    assert path == paths.dataset("cifar10")
    found = assemble.dataset("cifar10")
    assert np.array_equal(found.train.images.numpy(), synthetic["train_images"])
    assert found.test.labels.tolist() == synthetic["test_labels"].tolist()
    assert found.train.index.tolist() == list(range(20))


@pytest.mark.parametrize("wrong", ["train_images", "test_images", "test_labels"])
def test_other_pixels_or_labels_are_refused(
    tmp_path: Path, synthetic: Arrays, change: Any, workdir: Path, wrong: str
) -> None:
    sums = {
        split: content_sha256(synthetic[f"{split}_images"], synthetic[f"{split}_labels"])
        for split in ("train", "test")
    }
    change("datasets", {"cifar10": {"sha256": sums}})
    synthetic[wrong].flat[-1] = (synthetic[wrong].flat[-1] + 1) % 10
    write_pngs(tmp_path / "mirror", synthetic)
    split = wrong[: wrong.index("_")]
    told = f"mirror: the {split} pictures have SHA-256 .*{sums[split][:12]}"
    with pytest.raises(AtopError, match=told):
        fetch("cifar10", folder=tmp_path / "mirror")
    assert not paths.dataset("cifar10").exists()


def test_a_folder_without_the_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(AtopError, match=f"{tmp_path}: no CIFAR-10 here; expected"):
        cifar10.fetch(tmp_path)


def test_batches_that_are_not_the_published_ones_are_refused(
    tmp_path: Path, synthetic: Arrays
) -> None:
    write_batches(tmp_path / "cifar-10-batches-py", synthetic)  # torchvision knows their MD5
    with pytest.raises(AtopError, match="cifar-10-batches-py: "):
        cifar10.fetch(tmp_path)


@pytest.mark.parametrize("missing", ["data_batch_3.png", "test_lables.json"])
@pytest.mark.parametrize("half", [True, False])
def test_a_file_that_is_missing_or_not_a_picture_is_named(
    tmp_path: Path, synthetic: Arrays, missing: str, half: bool
) -> None:
    write_pngs(tmp_path / "mirror", synthetic)
    path = tmp_path / "mirror" / missing
    if half:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.unlink()
    with pytest.raises(AtopError, match=f"{missing}: "):
        cifar10.fetch(tmp_path)


def test_a_label_outside_the_classes_is_named() -> None:
    check_labels(torch.tensor([0, 9]), classes=10, where="here")
    with pytest.raises(AtopError, match=r"here: label 10 is outside the classes 0\.\.9"):
        check_labels(torch.tensor([0, 10]), classes=10, where="here")
    with pytest.raises(AtopError, match="label -1"):
        check_labels(torch.tensor([0, -1]), classes=10, where="here")


def test_a_stored_dataset_comes_back_or_is_named(tmp_path: Path, synthetic: Arrays) -> None:
    path = tmp_path / "deep" / "data.npz"
    with pytest.raises(AtopError, match=rf"{path}: no such dataset; .*python -m atop fetch"):
        data.load(path, classes=10)
    index = {"train_index": np.arange(20) + 100, "test_index": np.arange(4)}
    data.save(path, {**synthetic, **index})
    found = data.load(path, classes=10)
    assert np.array_equal(found.test.images.numpy(), synthetic["test_images"])
    assert found.train.index.tolist() == list(range(100, 120))
    assert found.train.labels.dtype == torch.int64
    highest = int(max(synthetic["train_labels"].max(), synthetic["test_labels"].max()))
    with pytest.raises(AtopError, match=f"{path}: label {highest} is outside"):
        data.load(path, classes=highest)
    data.save(path, synthetic)
    with pytest.raises(AtopError, match=r"not a whole dataset .*train_index"):
        data.load(path, classes=10)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(AtopError, match=f"{path}: not a whole dataset"):
        data.load(path, classes=10)


def test_the_slice_is_the_choice_of_lee_and_kim() -> None:
    arrays = embedded.fetch(None)
    chosen = np.random.RandomState(0).choice(10000, 512, replace=False)
    assert arrays["test_index"].tolist() == chosen.tolist()
    train = np.random.RandomState(0).permutation(50000)[:2000]
    assert arrays["train_index"].tolist() == train.tolist()
    for split, expected in config.dataset("cifar10_slice")["sha256"].items():
        assert content_sha256(arrays[f"{split}_images"], arrays[f"{split}_labels"]) == expected


def test_a_slice_that_is_cut_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cifar_slice: Dataset
) -> None:
    images, labels = cifar_slice.test.images.numpy(), cifar_slice.test.labels.numpy()
    whole = {
        "train_images": images[:130],
        "train_labels": labels[:130],
        "test_images": images[130:200],
        "test_labels": labels[130:200],
    }
    monkeypatch.setattr(embedded, "SIZES", {"train": 12, "test": 7})  # not whole rows of tiles
    monkeypatch.setattr(embedded, "COLUMNS", 5)
    embedded.cut(whole, seed=3, folder=tmp_path)
    found = embedded.fetch(tmp_path)
    for split, size in embedded.SIZES.items():
        index = np.random.RandomState(3).permutation(len(whole[f"{split}_labels"]))[:size]
        assert found[f"{split}_index"].tolist() == index.tolist()
        assert np.array_equal(found[f"{split}_images"], whole[f"{split}_images"][index])
        assert np.array_equal(found[f"{split}_labels"], whole[f"{split}_labels"][index])


@pytest.mark.parametrize("size", [256, 64, 16])
def test_inputs_are_resized_as_pil_resizes_the_file(pictures: Split, size: int) -> None:
    ours = pictures.inputs(size)
    assert ours.shape == (8, 3, size, size)
    assert ours.dtype == torch.float32
    levels = ours * 255
    assert (levels - levels.round()).abs().max() < 1e-4
    theirs = np.stack(
        [
            np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
            for image in pictures.images.numpy()
        ]
    )
    assert np.array_equal(levels.round().permute(0, 2, 3, 1).numpy(), theirs)


def test_inputs_at_their_own_size_are_the_pixels(pictures: Split) -> None:
    pixels = (pictures.inputs(32) * 255).round().byte()
    assert torch.equal(pixels, pictures.images.permute(0, 3, 1, 2))


def test_take_keeps_pictures_labels_and_places_together(cifar_slice: Dataset) -> None:
    test = cifar_slice.test
    part = test.take(torch.tensor([5, 2]))
    assert part.index.tolist() == [int(test.index[5]), int(test.index[2])]
    assert part.labels.tolist() == [int(test.labels[5]), int(test.labels[2])]
    assert torch.equal(part.images[1], test.images[2])
    assert len(part) == 2


def many(pictures: Split) -> tuple[Tensor, Randomness]:
    """One picture 400 times, each an example of its own."""
    images = pictures.images[:1].expand(400, -1, -1, -1)
    return images, Randomness(0, "test", torch.arange(400))


def test_flip_mirrors_half_of_the_pictures(pictures: Split) -> None:
    images, randomness = many(pictures)
    flipped = flip(images, randomness)
    same = (flipped == images).flatten(1).all(1)
    mirrored = (flipped == images.flip(2)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 0.4 < float(mirrored.float().mean()) < 0.6
    assert torch.equal(flip(images[7:9], randomness.select(slice(7, 9))), flipped[7:9])


def test_shift_moves_pictures_evenly_with_black_coming_in(pictures: Split) -> None:
    images, randomness = many(pictures)
    images = images.clamp(min=1)
    shifted = shift(images, randomness, most=2)
    assert shifted.shape == images.shape
    seen = set()
    for one in shifted:
        rows, columns = (one.amax(dim=(k, 2)) > 0 for k in (1, 0))
        down, right = _moved(rows), _moved(columns)
        seen.add((down, right))
        back = torch.roll(one, (-down, -right), (0, 1))
        inside = back.amax(dim=2) > 0
        assert torch.equal(back[inside], images[0][inside])
        assert int(inside.sum()) == (32 - abs(down)) * (32 - abs(right))
    assert seen == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}


def _moved(axis: Tensor) -> int:
    """By how much what is left of an axis has moved: black before it, or black after it."""
    first, last = int(axis.nonzero()[0]), int(axis.nonzero()[-1])
    return first if first else last - 31


def test_shift_takes_the_last_offset_too(pictures: Split) -> None:
    class Extreme(Randomness):
        def uniform(self, shape: tuple[int, ...], purpose: str) -> Tensor:
            return torch.full((len(self.index), *shape), 1 - 2**-24)

    images = pictures.images
    moved = shift(images, Extreme(0, "", pictures.index), most=4)
    assert torch.equal(moved[:, :28, :28], images[:, 4:, 4:])
    assert (moved[:, 28:] == 0).all()
