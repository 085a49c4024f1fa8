"""What a dataset's module says about it: how its files may lie in a folder, and who hosts them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from atop.core.errors import AtopError

Array = npt.NDArray[np.uint8]
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Pictures:
    """A split on its way from a source into the cache.

    Attributes:
        images: (H, W, 3) uint8 pictures in order; may read them only as they are asked for.
        labels: a class for each.
        index: each picture's place in the published split; None if it is its place in `images`.
    """

    images: Iterable[Array]
    labels: list[int]
    index: list[int] | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """A dataset as a source has it.

    Attributes:
        train, test: its pictures.
        where: the folder or the host, for messages.
        archive: a published hash of the files that hold it was checked.
        published: the source tells each picture's place in the published split.
        claims: ordered hashes of the splits that the source itself states.
    """

    train: Pictures
    test: Pictures
    where: str
    archive: bool = False
    published: bool = False
    claims: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the files of a dataset may lie in a folder.

    Attributes:
        marker: a file or folder whose presence tells the layout.
        named: the name that the folder must have; None where the marker is enough.
        unless: a file or folder whose presence tells that it is something else.
        about: the layout in a few words, for messages.
        read: the folder -> the dataset. AtopError names the file that is wrong.
    """

    marker: str
    named: str | None = None
    unless: str | None = None
    about: str
    read: Callable[[Path], Found]

    def lies_in(self, folder: Path) -> bool:
        """Whether a folder, itself and not one inside, is laid out so."""
        if self.named not in (None, folder.name) or not (folder / self.marker).exists():
            return False
        return self.unless is None or not (folder / self.unless).exists()


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a dataset may be had.

    Attributes:
        title: its name in the literature.
        page: where a person gets it.
        layouts: what it may look like in a folder.
        hosts: names and functions (empty folder -> the dataset), tried in order.
        local: the hosts are no hosts, but files of this repository.
    """

    title: str
    page: str
    layouts: tuple[Layout, ...] = ()
    hosts: dict[str, Callable[[Path], Found]]
    local: bool = False


@dataclass
class Fingerprints:
    """SHA-256 of labelled pictures, in their order and in any; the same from every source."""

    pixels: Any = field(default_factory=hashlib.sha256)
    labels: bytearray = field(default_factory=bytearray)
    digests: list[bytes] = field(default_factory=list)

    def add(self, image: Array, label: int) -> None:
        """Take in the next picture."""
        content = np.ascontiguousarray(image).tobytes()
        self.pixels.update(content)
        self.labels.append(label)
        self.digests.append(hashlib.sha256(content + bytes([label])).digest())

    def found(self) -> dict[str, str]:
        """`sha256`: of all pixels, then a byte a label; `pictures`: of the sorted digests of each.

        The digest of a picture is that of its pixels and its label's byte.
        """
        ordered = self.pixels.copy()
        ordered.update(self.labels)
        free = hashlib.sha256(b"".join(sorted(self.digests)))
        return {"sha256": ordered.hexdigest(), "pictures": free.hexdigest()}


def decode(path: Path) -> Array:
    """(H, W, 3) uint8 pixels of a picture file; AtopError if it is not one."""
    return np.asarray(picture(path))


def picture(path: Path) -> Image.Image:
    """An RGB picture, read whole; AtopError if the file is not one."""
    with opened(path) as image:
        return image.convert("RGB")


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture file of which the header is read; AtopError if it, or what is read later, is not.

    Pillow refuses pictures of more than twice `Image.MAX_IMAGE_PIXELS`.
    """
    broken = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
    try:
        with Image.open(path) as image:
            yield image
    except broken as error:  # PIL has many words for a broken file
        raise AtopError(f"{path}: not a readable picture ({error})") from error
