"""Sources of datasets: layouts of their files in a folder, and hosts that serve them."""

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
class Images:
    """Images of a split, on the way from a source into the cache.

    Attributes:
        images: (H, W, 3) uint8 each, in order; may be read lazily.
        labels: a class for each image.
        index: position of each image in the published split; None if equal to that in `images`.
    """

    images: Iterable[Array]
    labels: list[int]
    index: list[int] | None = None


@dataclass(frozen=True, kw_only=True)
class FoundDataset:
    """A dataset in a source.

    Attributes:
        train, test: the splits.
        where: the folder or the host, for messages.
        archive: the files matched a published hash.
        published: the source gives the positions of its images in the published splits.
        claims: ordered hashes of the splits that the source itself states.
    """

    train: Images
    test: Images
    where: str
    archive: bool = False
    published: bool = False
    claims: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A layout of a dataset's files in a folder.

    Attributes:
        marker: a file or folder that only this layout has.
        named: required name of the folder, if any.
        unless: a file or folder that this layout never has, if any.
        about: a short description, for messages.
        read: the folder -> the dataset. AtopError names the wrong file.
    """

    marker: str
    named: str | None = None
    unless: str | None = None
    about: str
    read: Callable[[Path], FoundDataset]

    def lies_in(self, folder: Path) -> bool:
        """Return true if the folder itself has this layout."""
        if self.named not in (None, folder.name) or not (folder / self.marker).exists():
            return False
        return self.unless is None or not (folder / self.unless).exists()


@dataclass(frozen=True, kw_only=True)
class Source:
    """Sources of a dataset.

    Attributes:
        title: its name in the literature.
        page: where users find it.
        layouts: its layouts in a folder.
        hosts: names and functions (empty folder -> the dataset), tried in order.
        local: the hosts are files of this repository.
    """

    title: str
    page: str
    layouts: tuple[Layout, ...] = ()
    hosts: dict[str, Callable[[Path], FoundDataset]]
    local: bool = False


@dataclass
class Fingerprints:
    """SHA-256 of labelled images, ordered and unordered; independent of the source."""

    pixels: Any = field(default_factory=hashlib.sha256)
    labels: bytearray = field(default_factory=bytearray)
    digests: list[bytes] = field(default_factory=list)

    def add(self, image: Array, label: int) -> None:
        """Add the next image."""
        content = np.ascontiguousarray(image).tobytes()
        self.pixels.update(content)
        self.labels.append(label)
        self.digests.append(hashlib.sha256(content + bytes([label])).digest())

    def hashes(self) -> dict[str, str]:
        """Return the ordered hash by `sha256` and the unordered one by `pictures`.

        The first is of all pixels, then a byte per label. The second is of the sorted digests of
        the images, each of its pixels and the byte of its label.
        """
        ordered = self.pixels.copy()
        ordered.update(self.labels)
        unordered = hashlib.sha256(b"".join(sorted(self.digests)))
        return {"sha256": ordered.hexdigest(), "pictures": unordered.hexdigest()}


def decode(path: Path) -> Array:
    """Read the (H, W, 3) uint8 pixels of an image file; raise AtopError if it is damaged."""
    return np.asarray(read_image(path))


def read_image(path: Path) -> Image.Image:
    """Read an RGB image; raise AtopError if the file is damaged."""
    with open_image(path) as image:
        return image.convert("RGB")


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file; raise AtopError if its header, or what the block reads, is damaged.

    Pillow refuses images of more than twice `Image.MAX_IMAGE_PIXELS`.
    """
    errors = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
    try:
        with Image.open(path) as image:
            yield image
    except errors as error:
        raise AtopError(f"{path}: not a readable image ({error})") from error
