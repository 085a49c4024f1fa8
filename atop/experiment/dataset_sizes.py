"""Sizes of datasets, known before they are fetched."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from atop.data import cache
from atop.data.source import SPLITS
from atop.experiment import config, dataset_files


class DatasetSize(NamedTuple):
    """Images of a dataset by split, and bytes of an image."""

    train: int
    validation: int
    test: int
    bytes: int

    @property
    def disk(self) -> int:
        """Bytes of its files."""
        return (self.train + self.validation + self.test) * self.bytes


@config.cached
def size_of(name: str) -> DatasetSize:
    """The size of a dataset by datasets.yaml or, if it is in the repository, by its files."""
    row, source = config.dataset(name), dataset_files.source(name)
    image = 3 * row.pixels**2
    validation = cache.validation_positions(count=row.validation, size=row.train_size)
    if not source.local:
        train = row.train_size - len(validation)
        return DatasetSize(train, len(validation), row.test_size, image)
    (read,) = source.hosts.values()
    train, test = (getattr(read(Path()), split) for split in SPLITS)
    count = int(np.isin(train.index, validation).sum())
    return DatasetSize(len(train.labels) - count, count, len(test.labels), image)
