"""A fetched dataset as mosaics, which travel in parts; atop/data/mosaics.py reads them back."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atop.core.errors import AtopError
from atop.core.files import writing
from atop.data import cache, mosaics
from atop.data.source import SPLITS
from atop.experiment import dataset_files, paths

TILES = 10_000
COLUMNS = 100
ENDING = "webp"


def pack(name: str, out: Path) -> list[Path]:
    """Write a dataset of results/data/ into a folder of its name; return the paths of the files.

    Raises:
        AtopError: it was not fetched, or cannot be read from mosaics.
    """
    if not any(layout.marker == f"train-0.{ENDING}" for layout in dataset_files.layouts(name)):
        folder = paths.dataset(name).parent
        raise AtopError(f"{name} is not read from mosaics; copy {folder} instead")
    about = cache.read_about(paths.dataset(name))
    written: list[Path] = []
    for split in SPLITS:
        facts = about[split]
        lists = {"labels": facts["labels"]}
        if about["positions"] == "published":
            lists["index"] = facts["index"]
        images = cache.images(paths.dataset(name), split, facts["shape"])
        for number, part in enumerate(_parts(len(images))):
            written.append(out / name / f"{split}-{number}.{ENDING}")
            columns = min(COLUMNS, part.stop - part.start)
            mosaics.write(written[-1], images[part], columns=columns, quality=75, method=4)
        for kind, values in lists.items():
            written.append(out / name / f"{split}-{kind}.npy")
            with writing(written[-1]) as temporary, temporary.open("wb") as file:
                np.save(file, np.array(values, dtype=np.int64))
    return written


def _parts(count: int) -> Iterator[slice]:
    """Images of each mosaic, which has no gaps: full rows, or the rest as one row."""
    start = 0
    while start < count:
        size = min(TILES, count - start)
        size -= size % COLUMNS if size > COLUMNS else 0
        yield slice(start, start + size)
        start += size
