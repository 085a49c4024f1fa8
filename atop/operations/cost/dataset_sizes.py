"""How many pictures a dataset has, before it is here."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from atop.data import cache
from atop.data.source import SPLITS
from atop.experiment import config, dataset_files


class Size(NamedTuple):
    """Pictures of a dataset: trained on, held out of training, tested on; bytes of each."""

    train: int
    held_out: int
    test: int
    bytes: int

    @property
    def disk(self) -> int:
        """Bytes of its files."""
        return (self.train + self.held_out + self.test) * self.bytes


def size_of(name: str) -> Size:
    """The size of a dataset as datasets.yaml has it, or, of one in the repository, as it lies."""
    row, source = config.dataset(name), dataset_files.source(name)
    each = 3 * row.pixels**2
    held_out = cache.validation_positions(count=row.held_out, size=row.train_size)
    if not source.local:
        return Size(row.train_size - len(held_out), len(held_out), row.test_size, each)
    (read,) = source.hosts.values()
    found = read(Path())
    train, test = (getattr(found, split) for split in SPLITS)
    out = int(np.isin(train.index, held_out).sum())
    return Size(len(train.labels) - out, out, len(test.labels), each)
