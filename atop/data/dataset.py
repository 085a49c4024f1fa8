"""Datasets for all stages: uint8 images, labels, and positions in the published splits."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from atop.data import cache
from atop.data.source import SPLITS


@dataclass(frozen=True)
class Split:
    """Labelled images.

    Attributes:
        images: (N, H, W, 3) uint8, or a superset of which `rows` selects.
        labels: (N,) int64.
        index: (N,) int64, positions in the published split; records and randomness use them, so
            that a slice of a dataset keeps the identity of its examples.
        rows: (N,) int64, rows of `images`, or None for all: selects from a file without a copy.
    """

    images: Tensor
    labels: Tensor
    index: Tensor
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Tensor | slice) -> "Split":
        """Return the images at some positions of this split."""
        rows = positions if self.rows is None else self.rows[positions]
        return Split(self.images[rows], self.labels[positions], self.index[positions])

    def to(self, device: torch.device) -> "Split":
        """Return the same images on another device."""
        rows = None if self.rows is None else self.rows.to(device)
        return Split(self.images.to(device), self.labels.to(device), self.index.to(device), rows)

    def split_validation(self, *, count: int, size: int) -> tuple["Split", "Split"]:
        """Return this split without its validation images, and those.

        Their positions are `cache.validation_positions`, of which this split may have only some.
        """
        positions = torch.from_numpy(cache.validation_positions(count=count, size=size))
        validation = torch.isin(self.index, positions.to(self.index))
        kept = (~validation).nonzero().flatten()
        rows = kept if self.rows is None else self.rows[kept]
        rest = Split(self.images, self.labels[kept], self.index[kept], rows)
        return rest, self.take(validation.nonzero().flatten())

    def inputs(self, size: int) -> Tensor:
        """Return (N, 3, size, size) float32 in [0, 1]: the input of the attacker and the defence.

        Resizing is bilinear, along rows and then along columns, each rounded to 8 bits, as in PIL,
        with which the authors resize images when they load them (deviation B16).
        """
        images = self.images if self.rows is None else self.images[self.rows]
        pixels = images.permute(0, 3, 1, 2).contiguous().float()
        if pixels.shape[-1] != size or pixels.shape[-2] != size:
            for shape in ((pixels.shape[-2], size), (size, size)):
                pixels = F.interpolate(pixels, shape, mode="bilinear", antialias=True)
                pixels = (pixels + 0.5).floor()
        return pixels / 255


@dataclass(frozen=True)
class Inputs:
    """`Split.inputs` of a split on a device, a batch at a time.

    A complete test set in float32 would not fit into memory: 7.9 GB at 256 pixels.
    """

    split: Split
    size: int
    device: torch.device

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, positions: Tensor | slice) -> Tensor:
        """Return (B, 3, size, size) float32 in [0, 1] at some positions of the split."""
        return self.split.take(positions).to(self.device).inputs(self.size)


@dataclass(frozen=True)
class Dataset:
    """A training split, a validation split taken from it, and a test split."""

    train: Split
    validation: Split
    test: Split


def load(about: Path, *, classes: int, validation: int = 0, train_size: int = 0) -> Dataset:
    """Load a dataset; an image is read from disk when it is used.

    Args:
        about: the dataset's about.json.
        classes: number of classes.
        validation: images of the published training split that no training sees, at most a tenth.
        train_size: images in that split; used if published positions are known.

    Raises:
        AtopError: a file is missing or damaged, or a label is outside range(classes).
    """
    metadata = cache.read_about(about)
    for split in SPLITS:
        cache.check_labels(metadata[split]["labels"], classes=classes, where=str(about))
    train, test = (
        Split(
            torch.from_numpy(cache.images(about, split, metadata[split]["shape"])),
            torch.tensor(metadata[split]["labels"]),
            torch.tensor(metadata[split]["index"]),
        )
        for split in SPLITS
    )
    size = train_size if metadata["positions"] == "published" else len(train)
    return Dataset(*train.split_validation(count=validation, size=size), test)
