"""Datasets of small images as mosaics: lossless tiles of one size, row by row."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from atop.core.errors import AtopError
from atop.core.files import writing
from atop.data.source import SPLITS, Array, FoundDataset, Images, Layout, decode, open_image


def layout(name: str, side: int, *, ending: str) -> Layout:
    """Return the layout of a folder NAME/ with mosaics `SPLIT-K.webp` or `.png`.

    It also has `SPLIT-labels.npy`, and `SPLIT-index.npy` if the published positions are known.
    """

    def read(folder: Path) -> FoundDataset:
        train, test = (_mosaic_split(folder, split, side, ending) for split in SPLITS)
        published = train.index is not None and test.index is not None
        return FoundDataset(train=train, test=test, where=str(folder), published=published)

    marker = f"train-0.{ending}"
    return Layout(marker=marker, named=name, about=f"{name}/{marker} and so on", read=read)


def _mosaic_split(folder: Path, split: str, side: int, ending: str) -> Images:
    files = _files(folder, split, ending)
    labels = _numbers(folder / f"{split}-labels.npy")
    count = sum(_tiles_of(path, side) for path in files)
    if count != len(labels):
        raise AtopError(f"{folder}/{split}-labels.npy: {len(labels)} labels for {count} images")
    path = folder / f"{split}-index.npy"
    index = _numbers(path) if path.exists() else None
    if index is not None and (len(index) != count or len(set(index)) != count or min(index) < 0):
        raise AtopError(f"{path}: not one position for each of the {count} images")
    return Images((tile for path in files for tile in tiles(path, side)), labels, index)


def _files(folder: Path, split: str, ending: str) -> list[Path]:
    """Return the mosaics of a split in order; their numbers are 0, 1, ... without gaps."""
    paths = {}
    for path in folder.iterdir():
        if match := re.fullmatch(rf"{split}-(\d+)\.(webp|png)", path.name):
            paths[int(match[1])] = path
    numbers = range(len(paths) or 1)
    for number in numbers:
        if number not in paths:
            missing = folder / f"{split}-{number}.{ending}"
            raise AtopError(f"{missing}: no such file; copy all mosaics of {folder.name} again")
    return [paths[number] for number in numbers]


def _numbers(path: Path) -> list[int]:
    try:
        values = np.lib.format.open_memmap(path, mode="r")
        if values.ndim == 1 and values.dtype.kind in "iu":
            return [int(value) for value in values]
        reason = f"{values.dtype} of shape {values.shape}"
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    raise AtopError(f"{path}: not a list of integers ({reason})")


def _tiles_of(path: Path, side: int) -> int:
    """Count the tiles of a mosaic from its size."""
    with open_image(path) as image:
        width, height = image.size
    if width % side or height % side:
        raise AtopError(f"{path}: {width}x{height} pixels do not divide into {side}x{side}")
    return (width // side) * (height // side)


def tiles(path: Path, side: int) -> Iterator[Array]:
    """Yield the (side, side, 3) tiles of a mosaic, row by row."""
    pixels = decode(path)
    for row in range(0, pixels.shape[0], side):
        for column in range(0, pixels.shape[1], side):
            yield pixels[row : row + side, column : column + side]


def write(path: Path, images: Array, *, columns: int, **webp: int) -> None:
    """Write images as a lossless mosaic, which `tiles` reads.

    Args:
        path: the WebP file.
        images: (N, side, side, 3) uint8.
        columns: tiles per row; black tiles fill the last row.
        webp: `quality` and `method`, the effort of the encoder; pixels do not depend on them.
    """
    count, side = images.shape[:2]
    rows = -(-count // columns)
    padded = np.zeros((rows * columns, side, side, 3), np.uint8)
    padded[:count] = images
    tiled = padded.reshape(rows, columns, side, side, 3).swapaxes(1, 2)
    pixels = tiled.reshape(rows * side, columns * side, 3)
    with writing(path) as temporary:
        Image.fromarray(pixels).save(temporary, "WEBP", lossless=True, **webp)
