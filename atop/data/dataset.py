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
        rows: (N,) int64, where its pictures lie in `images`, if those are of more than this split:
            files on disk are not copied for the few that are left out.
    """

    images: Tensor
    labels: Tensor
    index: Tensor
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Tensor | slice) -> "Split":
        """The pictures at some positions of this split."""
        rows = positions if self.rows is None else self.rows[positions]
        return Split(self.images[rows], self.labels[positions], self.index[positions])

    def to(self, device: torch.device) -> "Split":
        """The same pictures on another device."""
        rows = None if self.rows is None else self.rows.to(device)
        return Split(self.images.to(device), self.labels.to(device), self.index.to(device), rows)

    def hold_out(self, *, count: int, size: int) -> tuple["Split", "Split"]:
        """This split without some of its pictures, and those.

        They are fixed (`cache.held_out`), as far as they are here.
        """
        wanted = torch.from_numpy(cache.held_out(count=count, size=size))
        out = torch.isin(self.index, wanted.to(self.index))
        kept = (~out).nonzero().flatten()
        rows = kept if self.rows is None else self.rows[kept]
        rest = Split(self.images, self.labels[kept], self.index[kept], rows)
        return rest, self.take(out.nonzero().flatten())

    def inputs(self, size: int) -> Tensor:
        """(N, 3, size, size) float32 in [0, 1]: what the attacker and the defence receive.

        Resizing is bilinear, along rows and then along columns, each rounded to 8 bits: that is how
        PIL does it, and the authors resize the file before anything else sees it (ledger B16).
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
    """What `Split.inputs` gives of a split, on a device, some of it at a time.

    (N, 3, size, size) in float32 of a whole test set would not fit: 7.9 GB at 256 pixels.
    """

    split: Split
    size: int
    device: torch.device

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, positions: Tensor | slice) -> Tensor:
        """(B, 3, size, size) float32 in [0, 1] at some positions of the split."""
        return self.split.take(positions).to(self.device).inputs(self.size)


@dataclass(frozen=True)
class Dataset:
    """A training and a test split, and pictures held out of the training split."""

    train: Split
    held_out: Split
    test: Split


def load(about: Path, *, classes: int, held_out: int = 0, train_size: int = 0) -> Dataset:
    """Serve a dataset from its files; a picture is read from disk when it is used.

    Args:
        about: the dataset's about.json.
        classes: how many there are.
        held_out: how many pictures of the published training split no training sees, at most a
            tenth.
        train_size: pictures in that split, where published places are known.

    Raises:
        AtopError: a file is missing or broken, or there is a label outside range(classes).
    """
    facts = cache.read_about(about)
    for split in SPLITS:
        cache.check_labels(facts[split]["labels"], classes=classes, where=str(about))
    train, test = (
        Split(
            torch.from_numpy(cache.images(about, split, facts[split]["shape"])),
            torch.tensor(facts[split]["labels"]),
            torch.tensor(facts[split]["index"]),
        )
        for split in SPLITS
    )
    size = train_size if facts["positions"] == "published" else len(train)
    return Dataset(*train.hold_out(count=held_out, size=size), test)
