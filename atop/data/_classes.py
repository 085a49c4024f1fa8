"""Datasets as folders of image files, with a folder for each class of a split."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from atop.core.errors import AtopError
from atop.data.source import Array, FoundDataset, Images, read_image

ENDINGS = (".png", ".jpg", ".jpeg")
Prepare = Callable[[Image.Image], Image.Image]


def read(
    folder: Path, classes: Sequence[str], prepare: Prepare, *, test: str = "test"
) -> FoundDataset:
    """Read `train/CLASS/*` and `TEST/CLASS/*` in order of the file names.

    Args:
        folder: holds a folder for each split.
        classes: names of the class folders, in order of the labels.
        prepare: resizes an RGB image to its stored size; ValueError if that is impossible.
        test: name of the folder of the test split.

    Raises:
        AtopError: a class is missing, empty or unknown; or later, a file is not an image.
    """
    train, test_split = (_split(folder / name, classes, prepare) for name in ("train", test))
    return FoundDataset(train=train, test=test_split, where=str(folder))


def _split(folder: Path, classes: Sequence[str], prepare: Prepare) -> Images:
    if not folder.is_dir():
        raise AtopError(f"{folder}: no such folder; it holds a folder for each class")
    folders = {path.name for path in folder.iterdir() if path.is_dir()}
    for name in sorted(folders ^ set(classes)):
        problem = "lacks the class" if name in classes else "holds a folder that is no class,"
        raise AtopError(f"{folder}: {problem} {name}")
    files = [_files(folder / name) for name in classes]
    labels = [label for label, paths in enumerate(files) for _ in paths]
    return Images((_read(path, prepare) for paths in files for path in paths), labels)


def _files(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    if not paths:
        raise AtopError(f"{folder}: no images of this class ({', '.join(ENDINGS)})")
    return paths


def _read(path: Path, prepare: Prepare) -> Array:
    try:
        return np.asarray(prepare(read_image(path)))
    except ValueError as error:
        raise AtopError(f"{path}: {error}") from error
