"""Datasets as folders of picture files, one for each class of a split."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from atop.core.errors import AtopError
from atop.data.source import Array, Found, Pictures, picture

ENDINGS = (".png", ".jpg", ".jpeg")
Prepare = Callable[[Image.Image], Image.Image]


def read(folder: Path, classes: Sequence[str], prepare: Prepare, *, test: str = "test") -> Found:
    """Read `train/CLASS/*` and those of the test split, in order of the files' names.

    Args:
        folder: that holds a folder for each split.
        classes: names of the class folders, in order of the labels.
        prepare: brings an RGB picture to the size that it is stored in; ValueError if it cannot.
        test: what the folder of the test split is called.

    Raises:
        AtopError: a class is missing, empty or one too many; or later, a file is not a picture.
    """
    splits = (_split(folder / name, classes, prepare) for name in ("train", test))
    return Found(train=next(splits), test=next(splits), where=str(folder))


def _split(folder: Path, classes: Sequence[str], prepare: Prepare) -> Pictures:
    if not folder.is_dir():
        raise AtopError(f"{folder}: no such folder; it holds a folder for each class")
    found = {path.name for path in folder.iterdir() if path.is_dir()}
    for name in sorted(found ^ set(classes)):
        what = "lacks the class" if name in classes else "holds one that is no class,"
        raise AtopError(f"{folder}: {what} {name}")
    files = [_files(folder / name) for name in classes]
    labels = [label for label, paths in enumerate(files) for _ in paths]
    return Pictures((_read(path, prepare) for paths in files for path in paths), labels)


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    if not found:
        raise AtopError(f"{folder}: no pictures of this class ({', '.join(ENDINGS)})")
    return found


def _read(path: Path, prepare: Prepare) -> Array:
    try:
        return np.asarray(prepare(picture(path)))
    except ValueError as error:
        raise AtopError(f"{path}: {error}") from error
