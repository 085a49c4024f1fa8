"""Broken, foreign or missing data: the file is named, with what to do, and nothing stays behind."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from breaking import BARE, Complain, Cut
from PIL import Image

from atop.core.files import read_json, write_json
from atop.data import imagenette
from atop.experiment import paths

ATTACK = ("attack", "--preset", "smoke", "--cell", BARE.id, "--attack", "fgsm")
ABOUT = paths.dataset("cifar10_slice")
ARRAY = ABOUT.with_name("test.npy")
AGAIN = "results/data/cifar10_slice/ and run again"


def edit(**changes: Any) -> None:
    """Change what about.json says of the test split."""
    content = read_json(ABOUT)
    content["test"] |= changes
    ABOUT.unlink()  # a link to what other tests use
    write_json(ABOUT, content)


# In results/data/.


def test_dataset_missing(complain: Complain, small: Path) -> None:
    ABOUT.unlink()
    line = complain(*ATTACK)
    assert f"{ABOUT}: no such dataset" in line
    assert "python -m atop fetch" in line


@pytest.mark.parametrize("what", ["half", "text", "empty", "gone"])
def test_images_truncated(complain: Complain, small: Path, truncate: Cut, what: str) -> None:
    truncate(ARRAY)
    if what == "gone":
        ARRAY.unlink()
    elif what != "half":
        ARRAY.write_text("no array" if what == "text" else "")
    line = complain(*ATTACK)
    assert f"{ARRAY}: not a complete dataset" in line
    assert AGAIN in line


def test_images_of_another_dataset(complain: Complain, small: Path) -> None:
    ARRAY.unlink()
    np.save(ARRAY, np.zeros((512, 64, 64, 3), np.uint8))
    line = complain(*ATTACK)
    assert "uint8 of shape (512, 64, 64, 3), about.json says uint8 of (512, 32, 32, 3)" in line
    assert AGAIN in line


def test_about_truncated(complain: Complain, small: Path, truncate: Cut) -> None:
    truncate(ABOUT)
    line = complain(*ATTACK)
    assert f"{ABOUT}: not readable as JSON" in line
    assert "delete it and run again" in line


@pytest.mark.parametrize(
    "changes", [{"labels": [0] * 511}, {"index": [0]}, {"shape": []}, {"labels": None}]
)
def test_about_that_contradicts_itself(
    complain: Complain, small: Path, changes: dict[str, Any]
) -> None:
    edit(**changes)
    assert f"{ABOUT}: not a complete dataset; delete it and run again" in complain(*ATTACK)


def test_about_that_is_something_else(complain: Complain, small: Path) -> None:
    ABOUT.unlink()
    ABOUT.write_text("[1, 2]")
    assert f"{ABOUT}: not a complete dataset; delete it and run again" in complain(*ATTACK)


@pytest.mark.parametrize("wrong", [10, -1, "cat", None])
def test_label_outside_the_classes(complain: Complain, small: Path, wrong: Any) -> None:
    edit(labels=[0] * 511 + [wrong])
    assert f"{ABOUT}: label {wrong} is outside the classes 0..9" in complain(*ATTACK)


def test_more_images_wanted_than_there_are(
    complain: Complain, small: Path, change: Callable[..., None]
) -> None:
    change("presets/smoke", {"evaluation": {"n": 600}})
    line = complain(*ATTACK)
    assert f"{ABOUT}: lacks test image" in line
    assert "lower evaluation.n" in line


# In a folder of the user's.


def fetch(folder: Path, dataset: str = "cifar10") -> tuple[str, ...]:
    return ("fetch", "--dataset", dataset, "--folder", str(folder), "--offline")


@pytest.fixture
def mirror(workdir: Path, tmp_path: Path) -> Path:
    """A folder laid out as the npm mirror, with the wrong images."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        Image.new("RGB", (1024, 2)).save(folder / f"{name}.png")
    (folder / "train_lables.json").write_text(json.dumps([0] * 10))
    (folder / "test_lables.json").write_text(json.dumps([0] * 2))
    return folder


def test_folder_with_other_images(complain: Complain, mirror: Path) -> None:
    assert "they are not cifar10 as published" in complain(*fetch(mirror))


def test_folder_with_a_file_that_is_no_image(complain: Complain, mirror: Path) -> None:
    (mirror / "data_batch_3.png").write_bytes(b"garbage")
    assert f"{mirror / 'data_batch_3.png'}: not a readable image" in complain(*fetch(mirror))


def test_folder_with_an_image_cut_short(complain: Complain, mirror: Path, truncate: Cut) -> None:
    truncate(mirror / "test_batch.png")
    assert f"{mirror / 'test_batch.png'}: not a readable image" in complain(*fetch(mirror))


def test_folder_with_an_image_too_large(
    complain: Complain, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1023)  # Pillow refuses twice as many
    line = complain(*fetch(mirror))
    assert f"{mirror / 'data_batch_1.png'}: not a readable image (Image size (2048" in line


@pytest.mark.parametrize("name", ["train_lables.json", "data_batch_5.png"])
def test_folder_that_lacks_a_file(complain: Complain, mirror: Path, name: str) -> None:
    (mirror / name).unlink()
    assert f"{mirror / name}: " in complain(*fetch(mirror))


def test_folder_with_more_labels_than_images(complain: Complain, mirror: Path) -> None:
    (mirror / "test_lables.json").write_text(json.dumps([0] * 3))
    assert f"{mirror}: 2 images for 3 labels" in complain(*fetch(mirror))


def test_folder_with_a_label_outside_the_classes(complain: Complain, mirror: Path) -> None:
    (mirror / "test_lables.json").write_text(json.dumps([0, 10]))
    assert f"{mirror}: label 10 is outside the classes 0..9" in complain(*fetch(mirror))


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "imagenette"])
def test_folder_without_the_dataset(
    complain: Complain, workdir: Path, tmp_path: Path, dataset: str
) -> None:
    folder = tmp_path / "elsewhere"
    assert f"{folder}: no such folder" in complain(*fetch(folder, dataset))
    folder.mkdir()
    line = complain(*fetch(folder, dataset))
    assert f"{folder} and 2 folders deep in it: none of {dataset}/about.json" in line
    assert "get it from https://" in line
    assert "--config files=FOLDER" in line


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "imagenette"])
def test_dataset_unreachable(
    complain: Complain, workdir: Path, monkeypatch: pytest.MonkeyPatch, dataset: str
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", "")  # no npm
    line = complain("fetch", "--dataset", dataset)
    assert "official host: " in line
    assert ("npm" in line) == (dataset == "cifar10")
    assert "--config files=FOLDER" in line


@pytest.fixture
def mosaics(workdir: Path, tmp_path: Path) -> Path:
    """A CIFAR-100 of 8 training and 4 test images, as mosaics of two by two."""
    folder = tmp_path / "cifar100"
    folder.mkdir()
    for split, count in (("train", 2), ("test", 1)):
        for number in range(count):
            Image.new("RGB", (64, 64)).save(folder / f"{split}-{number}.png")
        np.save(folder / f"{split}-labels.npy", np.zeros(4 * count, np.uint8))
    return folder


def test_mosaics_of_other_images(complain: Complain, mosaics: Path) -> None:
    assert "they are not cifar100 as published" in complain(*fetch(mosaics, "cifar100"))


def test_mosaic_of_another_image_size(complain: Complain, mosaics: Path) -> None:
    Image.new("RGB", (64, 80)).save(mosaics / "train-1.png")
    line = complain(*fetch(mosaics, "cifar100"))
    assert f"{mosaics / 'train-1.png'}: 64x80 pixels do not divide into 32x32" in line


def test_mosaics_with_too_few_labels(complain: Complain, mosaics: Path) -> None:
    np.save(mosaics / "train-labels.npy", np.zeros(7, np.uint8))
    line = complain(*fetch(mosaics, "cifar100"))
    assert f"{mosaics / 'train-labels.npy'}: 7 labels for 8 images" in line


@pytest.mark.parametrize("name", ["test-0.png", "train-1.png"])
def test_mosaic_missing(complain: Complain, mosaics: Path, name: str) -> None:
    shutil.copy(mosaics / "train-1.png", mosaics / "train-2.png")
    np.save(mosaics / "train-labels.npy", np.zeros(12, np.uint8))
    (mosaics / name).unlink()
    line = complain(*fetch(mosaics, "cifar100"))
    assert f"{mosaics / name}: no such file; copy all mosaics of cifar100 again" in line


def test_last_mosaic_missing(complain: Complain, mosaics: Path) -> None:
    (mosaics / "train-1.png").unlink()
    line = complain(*fetch(mosaics, "cifar100"))
    assert f"{mosaics / 'train-labels.npy'}: 8 labels for 4 images" in line


def test_mosaic_too_large(
    complain: Complain, mosaics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2047)
    line = complain(*fetch(mosaics, "cifar100"))
    assert f"{mosaics / 'train-0.png'}: not a readable image (Image size (4096" in line


@pytest.mark.parametrize(
    ("dataset", "name", "marker"),
    [("cifar10", "cifar-10-batches-py", "data_batch_1"), ("cifar100", "cifar-100-python", "train")],
)
def test_pickles_broken(
    complain: Complain, workdir: Path, tmp_path: Path, dataset: str, name: str, marker: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / marker).write_bytes(b"garbage")
    line = complain(*fetch(tmp_path, dataset))
    assert f"{folder}: a file is missing or has not the published MD5; unpack the archive" in line
    assert "download=True" not in line


@pytest.mark.parametrize("what", ["gone", "text", "floats"])
def test_labels_of_mosaics_broken(complain: Complain, mosaics: Path, what: str) -> None:
    path = mosaics / "test-labels.npy"
    path.unlink()
    if what == "text":
        path.write_text("labels")
    elif what == "floats":
        np.save(path, np.zeros(4))
    line = complain(*fetch(mosaics, "cifar100"))
    assert f"{path}: not a list of integers" in line


@pytest.mark.parametrize("places", [[0, 1, 2], [0, 1, 2, 2], [-1, 0, 1, 2]])
def test_places_of_mosaics_broken(complain: Complain, mosaics: Path, places: list[int]) -> None:
    np.save(mosaics / "test-index.npy", np.array(places))
    line = complain(*fetch(mosaics, "cifar100"))
    assert f"{mosaics / 'test-index.npy'}: not one position for each of the 4 images" in line


@pytest.mark.parametrize("content", [b"garbage", b""])
def test_mosaic_that_is_no_image(complain: Complain, mosaics: Path, content: bytes) -> None:
    (mosaics / "train-0.png").write_bytes(content)
    line = complain(*fetch(mosaics, "cifar100"))
    assert f"{mosaics / 'train-0.png'}: not a readable image" in line


@pytest.fixture
def tree(workdir: Path, tmp_path: Path) -> Path:
    """An ImageNette of an image a class."""
    folder = tmp_path / "imagenette2"
    for split in ("train", "val"):
        for name in imagenette.CLASSES:
            (folder / split / name).mkdir(parents=True)
            Image.new("RGB", (30, 20)).save(folder / split / name / "a.JPEG")
    return folder


def test_image_of_a_class_unreadable(complain: Complain, tree: Path, truncate: Cut) -> None:
    path = tree / "val" / imagenette.CLASSES[-1] / "a.JPEG"
    truncate(path)
    assert f"{path}: not a readable image" in complain(*fetch(tree, "imagenette"))


def test_class_folder_empty(complain: Complain, tree: Path) -> None:
    folder = tree / "train" / imagenette.CLASSES[3]
    (folder / "a.JPEG").rename(folder / "a.txt")
    assert f"{folder}: no images of this class" in complain(*fetch(tree, "imagenette"))


def test_class_folder_missing_or_foreign(complain: Complain, tree: Path) -> None:
    folder = tree / "train" / imagenette.CLASSES[3]
    folder.rename(tree / "elsewhere")
    line = complain(*fetch(tree, "imagenette"))
    assert f"{tree / 'train'}: lacks the class {folder.name}" in line
    (tree / "elsewhere").rename(folder)
    (tree / "train" / "cats").mkdir()
    line = complain(*fetch(tree, "imagenette"))
    assert f"{tree / 'train'}: holds a folder that is no class, cats" in line


def test_split_of_classes_missing(complain: Complain, tree: Path) -> None:
    (tree / "train").rename(tree / "training")
    assert f"{tree / 'train'}: no such folder" in complain(*fetch(tree, "imagenette"))


def test_image_of_a_class_of_another_size(
    complain: Complain, workdir: Path, tmp_path: Path
) -> None:
    from atop.data.cifar10 import CLASSES

    for split in ("train", "test"):
        for name in CLASSES:
            (tmp_path / "c" / split / name).mkdir(parents=True)
            Image.new("RGB", (32, 32)).save(tmp_path / "c" / split / name / "a.png")
    path = tmp_path / "c" / "test" / "cat" / "a.png"
    Image.new("RGB", (33, 32)).save(path)
    assert f"{path}: 33x32 pixels; expected 32x32" in complain(*fetch(tmp_path / "c"))
