"""What CIFAR-10 and CIFAR-100 share: pickles that torchvision reads, mosaics, class folders."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError

from PIL import Image

from atop.core.errors import AtopError
from atop.data import _classes, mosaics
from atop.data.source import Found, Layout, Pictures

SIDE = 32
PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"


def layouts(
    name: str, *, kind: str, pickles: str, marker: str, classes: Sequence[str]
) -> tuple[Layout, ...]:
    """Layouts of a CIFAR.

    Args:
        name: of a folder of mosaics.
        kind: torchvision's class, which reads the pickles.
        pickles: the folder of the pickles.
        marker: one of them.
        classes: in order of the labels.
    """
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
            marker=f"train/{classes[0]}",
            about=f"train/{classes[0]}/*.png and so on",
            read=lambda folder: _classes.read(folder, classes, _whole),
        ),
    )


def official(kind: str) -> Callable[[Path], Found]:
    """Download with torchvision into an empty folder, and read."""

    def fetch(folder: Path) -> Found:
        return replace(_read(folder, kind, download=True), where="the official host")

    return fetch


def _unpacked(folder: Path, kind: str) -> Found:
    try:
        return replace(_read(folder.parent, kind), where=str(folder))
    except RuntimeError as error:  # torchvision advises what only its own caller can do
        raise AtopError(
            f"{folder}: a file is missing or has not the published MD5; "
            f"unpack the archive of {PAGE} again"
        ) from error
    except (OSError, EOFError, UnpicklingError) as error:
        raise AtopError(f"{folder}: {str(error).splitlines()[0]}") from error


def _read(root: Path, kind: str, *, download: bool = False) -> Found:
    """Read the pickles in the folder in `root` that torchvision knows; it checks their MD5."""
    import torchvision

    splits = [
        getattr(torchvision.datasets, kind)(str(root), train=train, download=download)
        for train in (True, False)
    ]
    train, test = (Pictures(one.data, [int(label) for label in one.targets]) for one in splits)
    return Found(train=train, test=test, where=str(root), archive=True, published=True)


def _whole(image: Image.Image) -> Image.Image:
    if image.size != (SIDE, SIDE):
        raise ValueError(f"{image.width}x{image.height} pixels; expected {SIDE}x{SIDE}")
    return image
