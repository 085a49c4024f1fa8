"""A dataset on disk: `train.npy`, `test.npy` and `about.json`, which is written last.

Images are (N, pixels, pixels, 3) uint8. The metadata in about.json are `name`, `source`, `verified`
("pixels", "archive" or null), `positions` ("published" or "found") and, for each split, `shape`,
`sha256`, `pictures`, `labels` and `index`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atop.core.errors import AtopError
from atop.core.files import read_json, write_json
from atop.core.values import Dict
from atop.data.source import SPLITS, Array, Fingerprints, FoundDataset, Images, Layout

ABOUT = "about.json"


def array_of(about: Path, split: str) -> Path:
    """Return the path of a split's images, which lie beside about.json."""
    return about.with_name(f"{split}.npy")


def fill(folder: Path, dataset: FoundDataset, *, pixels: int) -> dict[str, Dict]:
    """Write the images of both splits into a folder; return their entries of about.json.

    Images are written one by one, so that memory holds one image at a time.
    """
    return {
        split: _fill(folder / f"{split}.npy", getattr(dataset, split), pixels, dataset.where)
        for split in SPLITS
    }


def _fill(path: Path, split: Images, pixels: int, where: str) -> Dict:
    shape = (len(split.labels), pixels, pixels, 3)
    fingerprints = Fingerprints()
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for image, label in _paired(split, where):
            if image.shape != shape[1:]:
                size = "x".join(str(side) for side in image.shape[:2])
                raise AtopError(f"{where}: an image of {size} pixels; datasets.yaml says {pixels}")
            file.write(image.tobytes())
            fingerprints.add(image, label)
        file.flush()
        os.fsync(file.fileno())
    index = list(range(shape[0])) if split.index is None else split.index
    return {"shape": list(shape), **fingerprints.hashes(), "labels": split.labels, "index": index}


def _paired(split: Images, where: str) -> Iterator[tuple[Array, int]]:
    """Yield each image with its label; raise AtopError if their numbers differ."""
    images = iter(split.images)
    for count, label in enumerate(split.labels):
        image = next(images, None)
        if image is None:
            raise AtopError(f"{where}: {count} images for {len(split.labels)} labels")
        yield image, label
    if next(images, None) is not None:
        raise AtopError(f"{where}: more images than its {len(split.labels)} labels")


def install(folder: Path, about: Path, content: Dict) -> None:
    """Move filled arrays to the folder of about.json, then write that file."""
    about.parent.mkdir(parents=True, exist_ok=True)
    about.unlink(missing_ok=True)  # so that an interruption leaves no dataset
    for split in SPLITS:
        (folder / f"{split}.npy").replace(array_of(about, split))
    write_json(about, content)


def read_about(path: Path) -> Dict:
    """Read the metadata of a dataset.

    Raises:
        AtopError: there is no dataset, or its about.json is incomplete.
    """
    if not path.exists():
        make = f"python -m atop fetch --dataset {path.parent.name}"
        raise AtopError(f"{path}: no such dataset; make it with '{make}'")
    content: Dict = read_json(path)
    try:
        complete = {"name", "verified", "positions"} <= content.keys() and all(
            len(content[split][key]) == content[split]["shape"][0] and content[split]["sha256"]
            for split in SPLITS
            for key in ("labels", "index")
        )
    except (AttributeError, KeyError, TypeError, IndexError):
        complete = False
    if not complete:
        raise AtopError(f"{path}: not a complete dataset; delete it and run again")
    return content


def validation_positions(*, count: int, size: int) -> npt.NDArray[np.int64]:
    """Return the published positions of the images that no training sees.

    They are the last `count` of RandomState(0).permutation(size), or its last tenth if that is
    less.
    """
    return np.random.RandomState(0).permutation(size)[size - min(count, size // 10) :]


def check_labels(labels: list[int], *, classes: int, where: str) -> None:
    """Raise AtopError unless every label lies in range(classes)."""
    for label in labels:
        if label not in range(classes):
            raise AtopError(f"{where}: label {label} is outside the classes 0..{classes - 1}")


def images(about: Path, split: str, shape: list[int]) -> Array:
    """Map the images of a split: use reads them from disk, and nothing is written back.

    Raises:
        AtopError: the file is missing, truncated, or not as about.json says.
    """
    path = array_of(about, split)
    try:
        mapped: Array = np.lib.format.open_memmap(path, mode="c")
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise _incomplete(path, str(reason)) from error
    if list(mapped.shape) != shape or mapped.dtype != np.uint8:
        kind = f"{mapped.dtype} of shape {mapped.shape}"
        raise _incomplete(path, f"{kind}, {ABOUT} says uint8 of {tuple(shape)}")
    return mapped


def _incomplete(path: Path, reason: str) -> AtopError:
    folder = path.parent
    return AtopError(f"{path}: not a complete dataset ({reason}); delete {folder}/ and run again")


def layout(name: str) -> Layout:
    """Return the layout of a dataset that was fetched before, perhaps on another machine."""

    def read(folder: Path) -> FoundDataset:
        path = folder / ABOUT
        about = read_about(path)
        train, test = (
            Images(
                images(path, split, about[split]["shape"]),
                about[split]["labels"],
                about[split]["index"],
            )
            for split in SPLITS
        )
        return FoundDataset(
            train=train,
            test=test,
            where=str(folder),
            archive=about["verified"] == "archive",
            published=about["positions"] == "published",
            claims={split: about[split]["sha256"] for split in SPLITS},
        )

    return Layout(marker=ABOUT, named=name, about=f"{name}/{ABOUT}", read=read)
