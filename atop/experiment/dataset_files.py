"""Files that a user has already: found by what marks them, without reading any of them."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from atop.data import cache
from atop.data.source import Layout, Source
from atop.experiment import config

DEEP = 2
"""How many folders deep is searched; a tree of ImageNet has millions of files."""


def dataset_at(name: str, folder: Path) -> Path | None:
    """Where a dataset lies in a folder, if it does."""
    found = find(layouts(name), folder)
    return found[1] if found else None


def find(layouts: Iterable[Layout], folder: Path) -> tuple[Layout, Path] | None:
    """The first layout that a folder, or one at most `DEEP` inside it, is laid out in."""
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
    """What the module of a dataset says about it."""
    module = import_module(f"atop.data.{config.dataset(name).source}")
    return module.SOURCE  # type: ignore[no-any-return]


def layouts(name: str) -> tuple[Layout, ...]:
    """How a dataset may lie in a folder: as this suite stores it, or as its module knows."""
    return (cache.layout(name), *source(name).layouts)
