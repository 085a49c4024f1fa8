"""Datasets as they come: the same pixels and labels from every layout."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import synthetic_data as synthetic

from atop.core.errors import AtopError
from atop.data import cifar10, cifar100, imagenette
from atop.data.source import SPLITS, FoundDataset, decode
from atop.experiment import config, dataset_files


def find(name: str, folder: Path) -> FoundDataset:
    found = dataset_files.find(dataset_files.layouts(name), folder)
    assert found is not None, "not found by its marker"
    return found[0].read(found[1])


def assert_same(source: FoundDataset, expected: synthetic.Arrays) -> None:
    read = synthetic.read(source)
    assert read.keys() == expected.keys()
    for name, array in expected.items():
        assert np.array_equal(read[name], array), name


@pytest.fixture
def no_md5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision read batches that are not the published ones."""
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)


@pytest.mark.usefixtures("no_md5")
@pytest.mark.parametrize(
    ("name", "write", "folder"),
    [
        ("cifar10", synthetic.write_pngs, "package"),
        ("cifar10", synthetic.write_batches, "cifar-10-batches-py"),
        ("cifar10", synthetic.write_mosaics, "cifar10"),
        ("cifar100", synthetic.write_cifar100, "cifar-100-python"),
        ("cifar100", synthetic.write_mosaics, "cifar100"),
    ],
)
@pytest.mark.parametrize("deep", range(4))
def test_layouts_of_files_give_the_same_arrays_down_to_two_folders_deep(
    tmp_path: Path, name: str, write: Callable[..., None], folder: str, deep: int
) -> None:
    arrays = synthetic.cifar(classes=10 if name == "cifar10" else 100)
    place = tmp_path / "a" / "b" / folder
    write(place, arrays)
    start = (place, *place.parents)[deep]
    if deep == 3:
        assert dataset_files.find(dataset_files.layouts(name), start) is None
        return
    source = find(name, start)
    assert_same(source, arrays)
    torchvision = "cifar-10" in folder
    assert (source.archive, source.published) == (torchvision, torchvision)


def test_lossless_webp_and_published_places(tmp_path: Path) -> None:
    arrays, places = synthetic.shuffled(synthetic.cifar())
    synthetic.write_mosaics(tmp_path / "cifar10", arrays, places=places, ending="webp")
    source = find("cifar10", tmp_path)
    assert_same(source, arrays)
    assert source.published
    assert source.test.index == places["test"]


def test_mosaics_are_read_in_order_of_their_numbers(tmp_path: Path) -> None:
    arrays = synthetic.cifar()
    for split in SPLITS:
        for what in ("images", "labels"):
            arrays[f"{split}_{what}"] = np.concatenate([arrays[f"train_{what}"]] * 3)[:48]
    synthetic.write_mosaics(tmp_path / "cifar10", arrays)
    assert (tmp_path / "cifar10" / "train-10.png").exists()
    assert_same(find("cifar10", tmp_path), arrays)


def test_mosaics_belong_to_the_dataset_that_their_folder_names(tmp_path: Path) -> None:
    synthetic.write_mosaics(tmp_path / "cifar100", synthetic.cifar(100))
    assert dataset_files.dataset_at("cifar10", tmp_path) is None
    assert dataset_files.dataset_at("cifar100", tmp_path) == tmp_path / "cifar100"


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "imagenette"])
def test_class_folders_are_labelled_in_order_of_the_classes(tmp_path: Path, name: str) -> None:
    known = {"cifar10": cifar10, "cifar100": cifar100, "imagenette": imagenette}[name].CLASSES
    assert known == sorted(known)
    count = {"cifar10": 10, "cifar100": 100, "imagenette": 10}[name]
    assert len(set(known)) == count
    side, test, ending = (256, "val", "JPEG") if name == "imagenette" else (32, "test", "png")
    arrays = synthetic.cifar(count, side)
    synthetic.write_classes(tmp_path / "some", arrays, known, test=test, ending=ending)
    source = find(name, tmp_path)
    assert not source.published
    read = synthetic.read(source)
    for split in SPLITS:
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        order = np.argsort(labels, kind="stable")
        grey = (read[f"{split}_images"] == 128).all(axis=(1, 2, 3))
        assert read[f"{split}_labels"][grey].tolist() == list(range(count))
        assert read[f"{split}_labels"][~grey].tolist() == labels[order].tolist()
        if ending == "png":
            assert np.array_equal(read[f"{split}_images"][~grey], images[order])


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (224, 224), (257, 600)])
def test_imagenette_is_the_middle_of_the_picture_at_256(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """As Resize(256) and CenterCrop(256), the authors' loader."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    noise = np.random.RandomState(0).randint(0, 256, (9, 12, 3)).astype(np.uint8)
    picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    tiny = {
        f"{s}_{w}": np.zeros((0, 8, 8, 3), np.uint8) for s in SPLITS for w in ("images", "labels")
    }
    synthetic.write_classes(tmp_path, tiny, imagenette.CLASSES, test="val", ending="JPEG")
    path = tmp_path / "val" / imagenette.CLASSES[0] / "z.JPEG"
    picture.save(path)
    stored = next(iter(find("imagenette", tmp_path).test.images))
    chain = Compose([Resize(256, InterpolationMode.BILINEAR), CenterCrop(256)])
    assert np.array_equal(stored, np.asarray(chain(Image.open(path))))
    assert stored.shape == (256, 256, 3)


def test_all_of_imagenet_is_not_taken_for_imagenette(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in (*imagenette.CLASSES, "n01443537"):
            (tmp_path / "imagenet" / split / name).mkdir(parents=True)
    assert dataset_files.dataset_at("imagenette", tmp_path) is None
    (tmp_path / "imagenette2" / "val" / imagenette.CLASSES[0]).mkdir(parents=True)
    assert dataset_files.dataset_at("imagenette", tmp_path) == tmp_path / "imagenette2"


def test_a_search_lists_no_folder_that_is_too_deep(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "a" / "b" / "cifar10").mkdir(parents=True)
    listed = []
    real = dataset_files.os.scandir

    def scandir(path: Path) -> Any:
        listed.append(Path(path))
        return real(path)

    monkeypatch.setattr(dataset_files.os, "scandir", scandir)
    assert dataset_files.dataset_at("cifar10", tmp_path) is None
    assert listed == [tmp_path, tmp_path / "a"]
    assert dataset_files.dataset_at("cifar10", tmp_path / "nowhere") is None


def test_the_question_needs_no_torch(tmp_path: Path) -> None:
    asked = "; ".join(f"dataset_files.dataset_at('{name}', Path())" for name in config.datasets())
    code = (
        f"import sys; from pathlib import Path; from atop.experiment import dataset_files; {asked}"
    )
    code += "; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.usefixtures("no_md5")
@pytest.mark.parametrize(
    ("name", "kind", "pickles", "write"),
    [
        ("cifar10", "CIFAR10", "cifar-10-batches-py", synthetic.write_batches),
        ("cifar100", "CIFAR100", "cifar-100-python", synthetic.write_cifar100),
    ],
)
def test_a_cifar_from_its_host(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    kind: str,
    pickles: str,
    write: Callable[..., None],
) -> None:
    arrays = synthetic.cifar(10 if name == "cifar10" else 100)

    def download(self: Any) -> None:
        place = Path(self.root) / pickles
        if not place.exists():
            write(place, arrays)

    monkeypatch.setattr(f"torchvision.datasets.{kind}.download", download)
    source = dataset_files.source(name).hosts["official host"](tmp_path)
    assert_same(source, arrays)
    facts = (source.archive, source.published, source.where)
    assert facts == (True, True, "the official host")


def test_imagenette_from_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = synthetic.cifar(side=40)

    def download(self: Any) -> None:
        assert self._url.endswith("/imagenette2.tgz")  # at full size
        folder = Path(self.root) / "imagenette2"
        synthetic.write_classes(folder, arrays, imagenette.CLASSES, test="val", ending="JPEG")

    monkeypatch.setattr("torchvision.datasets.Imagenette._download", download)
    source = dataset_files.source("imagenette").hosts["official host"](tmp_path)
    assert (len(source.train.labels), len(source.test.labels)) == (30, 14)
    assert next(iter(source.test.images)).shape == (256, 256, 3)
    assert (source.archive, source.published) == (True, True)


def test_grey_images_have_three_channels(tmp_path: Path) -> None:
    """As some of ImageNette's."""
    path = tmp_path / "grey.JPEG"
    Image.new("L", (5, 4), 7).save(path)
    assert decode(path).shape == (4, 5, 3)


def test_the_folder_that_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.write_mosaics(tmp_path / "cifar10", synthetic.cifar())
    monkeypatch.chdir(tmp_path / "cifar10")
    assert dataset_files.dataset_at("cifar10", Path()) == tmp_path / "cifar10"


def test_batches_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    synthetic.write_batches(tmp_path / "cifar-10-batches-py", synthetic.cifar())  # MD5s are known
    with pytest.raises(AtopError, match="cifar-10-batches-py: "):
        find("cifar10", tmp_path)
