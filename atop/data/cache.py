"""A dataset on disk: `train.npy`, `test.npy` and `about.json`, which is written last.

The pictures are (N, pixels, pixels, 3) uint8. What is known about them lies in about.json: `name`,
`source`, `verified` ("pixels", "archive" or null), `positions` ("published" or "found") and, for
each split, `shape`, `sha256`, `pictures`, `labels` and `index`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atop.core.errors import AtopError
from atop.core.files import read_json, write_json
from atop.core.values import Dict
from atop.data.source import SPLITS, Array, Fingerprints, Found, Layout, Pictures

ABOUT = "about.json"


def array_of(about: Path, split: str) -> Path:
    """Where the pictures of a split lie, by the dataset's about.json."""
    return about.with_name(f"{split}.npy")


def fill(folder: Path, found: Found, *, pixels: int) -> dict[str, Dict]:
    """Write the pictures of both splits into a folder; return what about.json says of each.

    Written one by one: neither the pictures nor pages of a mapped file add up in memory.
    """
    return {
        split: _fill(folder / f"{split}.npy", getattr(found, split), pixels, found.where)
        for split in SPLITS
    }


def _fill(path: Path, pictures: Pictures, pixels: int, where: str) -> Dict:
    shape = (len(pictures.labels), pixels, pixels, 3)
    prints = Fingerprints()
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for image, label in _paired(pictures, where):
            if image.shape != shape[1:]:
                size = "x".join(str(side) for side in image.shape[:2])
                raise AtopError(f"{where}: a picture of {size} pixels; datasets.yaml says {pixels}")
            file.write(image.tobytes())
            prints.add(image, label)
        file.flush()
        os.fsync(file.fileno())
    index = list(range(shape[0])) if pictures.index is None else pictures.index
    return {
        "shape": list(shape),
        **prints.found(),
        "labels": pictures.labels,
        "index": index,
    }


def _paired(pictures: Pictures, where: str) -> Iterator[tuple[Array, int]]:
    """Each picture with its label; AtopError unless there are as many of both."""
    images = iter(pictures.images)
    for count, label in enumerate(pictures.labels):
        image = next(images, None)
        if image is None:
            raise AtopError(f"{where}: {count} pictures for {len(pictures.labels)} labels")
        yield image, label
    if next(images, None) is not None:
        raise AtopError(f"{where}: more pictures than its {len(pictures.labels)} labels")


def install(folder: Path, about: Path, content: Dict) -> None:
    """Put filled arrays where the dataset belongs, and then what is known about them."""
    about.parent.mkdir(parents=True, exist_ok=True)
    about.unlink(missing_ok=True)  # without it there is no dataset, whatever happens from here on
    for split in SPLITS:
        (folder / f"{split}.npy").replace(array_of(about, split))
    write_json(about, content)


def read_about(path: Path) -> Dict:
    """What is known about a dataset.

    Raises:
        AtopError: there is none, or its about.json is not one.
    """
    if not path.exists():
        make = f"python -m atop fetch --dataset {path.parent.name}"
        raise AtopError(f"{path}: no such dataset; make it with '{make}'")
    content: Dict = read_json(path)
    try:
        whole = {"name", "verified", "positions"} <= content.keys() and all(
            len(content[split][key]) == content[split]["shape"][0] and content[split]["sha256"]
            for split in SPLITS
            for key in ("labels", "index")
        )
    except (AttributeError, KeyError, TypeError, IndexError):
        whole = False
    if not whole:
        raise AtopError(f"{path}: not a whole dataset; delete it and run again")
    return content


def held_out(*, count: int, size: int) -> npt.NDArray[np.int64]:
    """Published places of the pictures that no training sees.

    They are the last `count` of RandomState(0).permutation(size), or the last tenth of it.
    """
    return np.random.RandomState(0).permutation(size)[size - min(count, size // 10) :]


def check_labels(labels: list[int], *, classes: int, where: str) -> None:
    """Raise AtopError unless every label lies in range(classes)."""
    for label in labels:
        if label not in range(classes):
            raise AtopError(f"{where}: label {label} is outside the classes 0..{classes - 1}")


def images(about: Path, split: str, shape: list[int]) -> Array:
    """The pictures of a split, mapped: read from disk as they are used, never written back.

    Raises:
        AtopError: the file is missing, cut short, or not what about.json says.
    """
    path = array_of(about, split)
    try:
        mapped: Array = np.lib.format.open_memmap(path, mode="c")
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise _broken(path, str(reason)) from error
    if list(mapped.shape) != shape or mapped.dtype != np.uint8:
        said = f"{mapped.dtype} of shape {mapped.shape}, {ABOUT} says uint8 of {tuple(shape)}"
        raise _broken(path, said)
    return mapped


def _broken(path: Path, reason: str) -> AtopError:
    folder = path.parent
    return AtopError(f"{path}: not a whole dataset ({reason}); delete {folder}/ and run again")


def layout(name: str) -> Layout:
    """Of a dataset that was fetched before, perhaps on another machine."""

    def read(folder: Path) -> Found:
        path = folder / ABOUT
        about = read_about(path)
        train, test = (
            Pictures(
                images(path, split, about[split]["shape"]),
                about[split]["labels"],
                about[split]["index"],
            )
            for split in SPLITS
        )
        return Found(
            train=train,
            test=test,
            where=str(folder),
            archive=about["verified"] == "archive",
            published=about["positions"] == "published",
            claims={split: about[split]["sha256"] for split in SPLITS},
        )

    return Layout(marker=ABOUT, named=name, about=f"{name}/{ABOUT}", read=read)
