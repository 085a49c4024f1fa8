"""Layouts and host of CIFAR-10 and CIFAR-100: torchvision's pickles, mosaics, class folders."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError

from PIL import Image

from atop.core.errors import AtopError
from atop.data import _classes, mosaics
from atop.data.source import FoundDataset, Images, Layout

SIDE = 32
PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"


def layouts(
    name: str, *, kind: str, pickles: str, marker: str, classes: Sequence[str]
) -> tuple[Layout, ...]:
    """Return the layouts of a CIFAR: pickles, mosaics, class folders.

    `name` is the folder of mosaics, `pickles` that of the pickles, of which `marker` is one; `kind`
    is torchvision's class, which reads them. The class names are in order of the labels.
    """
    first = f"train/{classes[0]}"
    return (
        Layout(
            marker=marker,
            named=pickles,
            about=f"{pickles}/",
            read=lambda folder: _unpacked(folder, kind),
        ),
        mosaics.layout(name, SIDE, ending="webp"),
        mosaics.layout(name, SIDE, ending="png"),
        Layout(
            marker=first,
            about=f"{first}/*.png and so on",
            read=lambda folder: _classes.read(folder, classes, _checked),
        ),
    )


def official(kind: str) -> Callable[[Path], FoundDataset]:
    """Return a function that downloads with torchvision into an empty folder and reads it."""

    def fetch(folder: Path) -> FoundDataset:
        return replace(_read(folder, kind, download=True), where="the official host")

    return fetch


def _unpacked(folder: Path, kind: str) -> FoundDataset:
    try:
        return replace(_read(folder.parent, kind), where=str(folder))
    except RuntimeError as error:  # torchvision's advice is for its direct callers
        raise AtopError(
            f"{folder}: a file is missing or has not the published MD5; "
            f"unpack the archive of {PAGE} again"
        ) from error
    except (OSError, EOFError, UnpicklingError) as error:
        raise AtopError(f"{folder}: {str(error).splitlines()[0]}") from error


def _read(root: Path, kind: str, *, download: bool = False) -> FoundDataset:
    """Read the pickles in torchvision's folder in `root`; it checks their MD5."""
    import torchvision

    splits = [
        getattr(torchvision.datasets, kind)(str(root), train=train, download=download)
        for train in (True, False)
    ]
    train, test = (Images(split.data, [int(label) for label in split.targets]) for split in splits)
    return FoundDataset(train=train, test=test, where=str(root), archive=True, published=True)


def _checked(image: Image.Image) -> Image.Image:
    if image.size != (SIDE, SIDE):
        raise ValueError(f"{image.width}x{image.height} pixels; expected {SIDE}x{SIDE}")
    return image
