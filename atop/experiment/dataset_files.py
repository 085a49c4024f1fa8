"""Datasets in the user's folder, recognised by their layout without reading any file."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from atop.data import cache
from atop.data.source import Layout, Source
from atop.experiment import config

DEEP = 2
"""Depth of the search; a tree of ImageNet has millions of files."""


def dataset_at(name: str, folder: Path) -> Path | None:
    """The place of a dataset in a folder, if it is there."""
    match = find(layouts(name), folder)
    return match[1] if match else None


def find(layouts: Iterable[Layout], folder: Path) -> tuple[Layout, Path] | None:
    """The first layout that fits a folder, or a subfolder at most `DEEP` inside it."""
    places = list(within(folder.resolve()))
    return next(
        ((layout, place) for layout in layouts for place in places if layout.lies_in(place)), None
    )


def within(folder: Path, deep: int = DEEP) -> Iterator[Path]:
    """A folder and those inside it, in order of their names, each before those inside it."""
    yield folder
    names: list[str] = []
    if deep:
        with suppress(OSError), os.scandir(folder) as entries:  # lost+found is nobody's business
            names = sorted(entry.name for entry in entries if entry.is_dir())
    for name in names:
        yield from within(folder / name, deep - 1)


def source(name: str) -> Source:
    """`SOURCE` of a dataset's module."""
    module = import_module(f"atop.data.{config.dataset(name).source}")
    return module.SOURCE  # type: ignore[no-any-return]


def layouts(name: str) -> tuple[Layout, ...]:
    """Possible layouts of a dataset: this suite's own, and those of its module."""
    return (cache.layout(name), *source(name).layouts)
