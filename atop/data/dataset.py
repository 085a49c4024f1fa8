"""A dataset as every stage sees it: uint8 pictures, labels, and where each came from."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from atop.data import cache
from atop.data.source import SPLITS


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


def load(about: Path, *, classes: int) -> Dataset:
    """Serve a dataset from its files; a picture is read from disk when it is used.

    Args:
        about: the dataset's about.json.
        classes: how many there are.

    Raises:
        AtopError: a file is missing or broken, or there is a label outside range(classes).
    """
    facts = cache.read_about(about)
    for split in SPLITS:
        cache.check_labels(facts[split]["labels"], classes=classes, where=str(about))
    return Dataset(
        *(
            Split(
                torch.from_numpy(cache.images(about, split, facts[split]["shape"])),
                torch.tensor(facts[split]["labels"]),
                torch.tensor(facts[split]["index"]),
            )
            for split in SPLITS
        )
    )
