"""Datasets on disk: what was written comes back, an image at a time, or the file is named."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import synthetic_data as synthetic

from atop.core.errors import AtopError
from atop.data import cache
from atop.data.dataset import load
from atop.data.source import SPLITS, Fingerprints

ABOUT = {"name": "mine", "source": "here", "verified": None, "positions": "found"}


def store(folder: Path, arrays: synthetic.Arrays, **changes: Any) -> Path:
    """Put arrays where `load` finds them."""
    filled, about = folder / "filled", folder / "stored" / "about.json"
    filled.mkdir(parents=True, exist_ok=True)
    side = arrays["train_images"].shape[1]
    facts = cache.fill(filled, synthetic.found(arrays), pixels=side)
    cache.install(filled, about, {**ABOUT, **facts, **changes})
    return about


def test_a_stored_dataset_comes_back(tmp_path: Path) -> None:
    arrays = synthetic.cifar()
    about = store(tmp_path, arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of arrays that it may not write to
        found = load(about, classes=10)
    for split in SPLITS:
        part = getattr(found, split)
        assert np.array_equal(part.images.numpy(), arrays[f"{split}_images"])
        assert part.labels.tolist() == arrays[f"{split}_labels"].tolist()
        assert part.labels.dtype == torch.int64
        assert part.index.tolist() == list(range(len(part)))
    assert not list((tmp_path / "filled").iterdir())


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_a_batch_of_a_big_dataset_is_all_that_is_read(tmp_path: Path) -> None:
    about = store(tmp_path, synthetic.cifar())
    count, facts = 5000, json.loads(about.read_text())
    facts["train"].update(shape=[count, 256, 256, 3], labels=[0] * count, index=[*range(count)])
    about.write_text(json.dumps(facts))
    with (about.with_name("train.npy")).open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, 256, 256, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + count * 256 * 256 * 3)  # a gigabyte, none of it on disk
    before = resident()
    train = load(about, classes=10).train
    batch = train.take(torch.tensor([7, 4999, 1200])).inputs(256)
    assert batch.shape == (3, 3, 256, 256)
    assert resident() - before < 100e6
    train.images[0] = 255  # augmenting in place would be a mistake, but not one on disk
    assert load(about, classes=10).train.images[0].max() == 0


def test_a_full_folder_of_an_earlier_fetch_is_replaced(tmp_path: Path) -> None:
    arrays = synthetic.cifar()
    store(tmp_path, arrays)
    mapped = load(store(tmp_path, arrays), classes=10).test.images
    changed = {**arrays, "test_images": 255 - arrays["test_images"]}
    about = store(tmp_path, changed)
    assert np.array_equal(load(about, classes=10).test.images, changed["test_images"])
    assert np.array_equal(mapped, arrays["test_images"])  # whoever reads the old files still can


def test_without_about_there_is_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch that dies while it moves its files into place leaves no dataset, not half a one."""
    about = store(tmp_path, synthetic.cifar())

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "write_json", die)
    with pytest.raises(KeyboardInterrupt):
        store(tmp_path, synthetic.cifar())
    with pytest.raises(AtopError, match=rf"{about}: no such dataset; .*python -m atop fetch"):
        load(about, classes=10)


def test_fingerprints_know_pixels_labels_and_order() -> None:
    arrays = synthetic.cifar()

    def prints(images: Any, labels: Any) -> tuple[str, str]:
        made = Fingerprints()
        for image, label in zip(images, labels, strict=True):
            made.add(image, int(label))
        return made.hashes()["sha256"], made.hashes()["pictures"]

    images, labels = arrays["train_images"], arrays["train_labels"]
    ordered, free = prints(images, labels)
    order = np.random.RandomState(1).permutation(len(labels))
    mixed = prints(images[order], labels[order])
    assert mixed[0] != ordered
    assert mixed[1] == free
    other = images.copy()
    other[3, 0, 0, 0] ^= 1
    swapped = labels.copy()
    first = int(np.flatnonzero(labels != labels[0])[0])
    swapped[[0, first]] = swapped[[first, 0]]
    for one in (prints(other, labels), prints(images, swapped)):
        assert one[0] != ordered
        assert one[1] != free


def test_the_ordered_fingerprint_is_of_all_pixels_and_then_all_labels() -> None:
    import hashlib

    arrays = synthetic.cifar()
    made = Fingerprints()
    for image, label in zip(arrays["test_images"], arrays["test_labels"], strict=True):
        made.add(image, int(label))
    content = arrays["test_images"].tobytes() + arrays["test_labels"].tobytes()
    assert made.hashes()["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_label_outside_the_classes_is_named() -> None:
    cache.check_labels([0, 9], classes=10, where="here")
    with pytest.raises(AtopError, match=r"here: label 10 is outside the classes 0\.\.9"):
        cache.check_labels([0, 10], classes=10, where="here")
    with pytest.raises(AtopError, match="label -1"):
        cache.check_labels([0, -1], classes=10, where="here")


@pytest.mark.parametrize(
    ("images", "labels", "told"),
    [(20, 19, "here: more images than its 19 labels"), (19, 20, "here: 19 images for 20 lab")],
)
def test_as_many_labels_as_images(tmp_path: Path, images: int, labels: int, told: str) -> None:
    arrays = synthetic.cifar()
    arrays["train_images"] = arrays["train_images"][:images]
    arrays["train_labels"] = arrays["train_labels"][:labels]
    with pytest.raises(AtopError, match=told):
        cache.fill(tmp_path, synthetic.found(arrays), pixels=32)


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AtopError, match=r"here: an image of 32x32 pixels; datasets\.yaml says 64"):
        cache.fill(tmp_path, synthetic.found(synthetic.cifar()), pixels=64)
