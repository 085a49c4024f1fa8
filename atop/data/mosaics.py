"""Datasets of small pictures as mosaics: lossless tiles of one size, row by row."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from atop.core.errors import AtopError
from atop.core.files import writing
from atop.data.source import SPLITS, Array, Found, Layout, Pictures, decode, opened


def layout(name: str, side: int, *, ending: str) -> Layout:
    """A folder NAME/ of `SPLIT-K.webp` or `.png`: lossless tiles of a side length, row by row.

    Beside them `SPLIT-labels.npy`, and `SPLIT-index.npy` if the published places are known.
    """

    def read(folder: Path) -> Found:
        train, test = (_mosaic_split(folder, split, side, ending) for split in SPLITS)
        published = train.index is not None and test.index is not None
        return Found(train=train, test=test, where=str(folder), published=published)

    marker = f"train-0.{ending}"
    return Layout(marker=marker, named=name, about=f"{name}/{marker} and so on", read=read)


def _mosaic_split(folder: Path, split: str, side: int, ending: str) -> Pictures:
    files = _files(folder, split, ending)
    labels = _numbers(folder / f"{split}-labels.npy")
    count = sum(_tiles_of(path, side) for path in files)
    if count != len(labels):
        raise AtopError(f"{folder}/{split}-labels.npy: {len(labels)} labels for {count} pictures")
    where = folder / f"{split}-index.npy"
    index = _numbers(where) if where.exists() else None
    if index is not None and (len(index) != count or len(set(index)) != count or min(index) < 0):
        raise AtopError(f"{where}: not one place for each of the {count} pictures")
    return Pictures((tile for path in files for tile in tiles(path, side)), labels, index)


def _files(folder: Path, split: str, ending: str) -> list[Path]:
    """The mosaics of a split by their numbers, which leave none out from 0 on."""
    found = {}
    for path in folder.iterdir():
        if match := re.fullmatch(rf"{split}-(\d+)\.(webp|png)", path.name):
            found[int(match[1])] = path
    numbers = range(len(found) or 1)
    for number in numbers:
        if number not in found:
            lost = folder / f"{split}-{number}.{ending}"
            raise AtopError(f"{lost}: no such file; copy all mosaics of {folder.name} again")
    return [found[number] for number in numbers]


def _numbers(path: Path) -> list[int]:
    try:
        found = np.lib.format.open_memmap(path, mode="r")
        if found.ndim == 1 and found.dtype.kind in "iu":
            return [int(one) for one in found]
        reason = f"{found.dtype} of shape {found.shape}"
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    raise AtopError(f"{path}: not a list of integers ({reason})")


def _tiles_of(path: Path, side: int) -> int:
    """How many tiles a mosaic has, by its size."""
    with opened(path) as image:
        width, height = image.size
    if width % side or height % side:
        raise AtopError(f"{path}: {width}x{height} pixels do not divide into {side}x{side}")
    return (width // side) * (height // side)


def tiles(path: Path, side: int) -> Iterator[Array]:
    """The (side, side, 3) tiles of a mosaic, row by row."""
    pixels = decode(path)
    for row in range(0, pixels.shape[0], side):
        for column in range(0, pixels.shape[1], side):
            yield pixels[row : row + side, column : column + side]


def write(path: Path, images: Array, *, columns: int, **webp: int) -> None:
    """Write images as one lossless mosaic, which `tiles` reads.

    Args:
        path: of the WebP file.
        images: (N, side, side, 3) uint8.
        columns: tiles in a row; black ones fill the last row.
        webp: `quality` and `method`, how hard the encoder tries; pixels do not depend on them.
    """
    count, side = images.shape[:2]
    rows = -(-count // columns)
    padded = np.zeros((rows * columns, side, side, 3), np.uint8)
    padded[:count] = images
    tiled = padded.reshape(rows, columns, side, side, 3).swapaxes(1, 2)
    pixels = tiled.reshape(rows * side, columns * side, 3)
    with writing(path) as temporary:
        Image.fromarray(pixels).save(temporary, "WEBP", lossless=True, **webp)
