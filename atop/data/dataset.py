"""A dataset as every stage sees it: uint8 pictures, labels, and where each came from."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from atop.errors import AtopError
from atop.files import writing

Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Split:
    """Some labelled pictures.

    Attributes:
        images: (N, H, W, 3) uint8.
        labels: (N,) int64.
        index: (N,) int64, each picture's place in the split as published; records and randomness
            use it, so that a slice of a dataset keeps the identity of its examples.
    """

    images: Tensor
    labels: Tensor
    index: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Tensor | slice) -> "Split":
        """The pictures at some positions of this split."""
        return Split(self.images[positions], self.labels[positions], self.index[positions])

    def to(self, device: torch.device) -> "Split":
        """The same pictures on another device."""
        return Split(self.images.to(device), self.labels.to(device), self.index.to(device))

    def inputs(self, size: int) -> Tensor:
        """(N, 3, size, size) float32 in [0, 1]: what the attacker and the defence receive.

        Resizing is bilinear, along rows and then along columns, each rounded to 8 bits: that is how
        PIL does it, and the authors resize the file before anything else sees it (ledger B16).
        """
        pixels = self.images.permute(0, 3, 1, 2).contiguous().float()
        if pixels.shape[-1] != size or pixels.shape[-2] != size:
            for shape in ((pixels.shape[-2], size), (size, size)):
                pixels = F.interpolate(pixels, shape, mode="bilinear", antialias=True)
                pixels = (pixels + 0.5).floor()
        return pixels / 255


@dataclass(frozen=True)
class Dataset:
    """A training and a test split."""

    train: Split
    test: Split


def content_sha256(images: Array, labels: Array) -> str:
    """SHA-256 of decoded NHWC pixels followed by one byte a label: the same from every source."""
    digest = hashlib.sha256(np.ascontiguousarray(images).tobytes())
    digest.update(np.ascontiguousarray(labels, dtype=np.uint8).tobytes())
    return digest.hexdigest()


def save(path: Path, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
    """Write `{train,test}_{images,labels,index}` to an .npz, which appears only when whole."""
    with writing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load(path: Path, *, classes: int) -> Dataset:
    """Read a dataset that `save` wrote.

    Raises:
        AtopError: the file is missing or broken, or holds a label outside range(classes).
    """
    try:
        with np.load(path) as arrays:
            parts = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        splits = [
            Split(
                parts[f"{name}_images"],
                parts[f"{name}_labels"].long(),
                parts[f"{name}_index"].long(),
            )
            for name in ("train", "test")
        ]
    except FileNotFoundError as error:
        raise AtopError(f"{path}: no such dataset; make it with 'python -m atop fetch'") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise AtopError(
            f"{path}: not a whole dataset ({error}); delete it and run again"
        ) from error
    for split in splits:
        check_labels(split.labels, classes=classes, where=str(path))
    return Dataset(*splits)


def check_labels(labels: Tensor, *, classes: int, where: str) -> None:
    """Raise AtopError unless every label lies in range(classes)."""
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        raise AtopError(f"{where}: label {int(wrong[0])} is outside the classes 0..{classes - 1}")
