"""A fetched dataset as mosaics, and back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import synthetic_data as synthetic

from atop.__main__ import main
from atop.core.errors import AtopError
from atop.data import cache, mosaics
from atop.data.source import decode
from atop.experiment import paths
from atop.operations import pack_dataset
from atop.pipeline.datasets import fetch

Change = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def small(change: Change, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Change:
    """CIFAR-10 with 20 training and 4 test images, in mosaics of at most nine, three a row."""
    unknown = {"train": None, "test": None}
    change("datasets", {"cifar10": {"sha256": unknown, "images": unknown}})
    monkeypatch.setattr(pack_dataset, "TILES", 9)
    monkeypatch.setattr(pack_dataset, "COLUMNS", 3)
    return change


def fetched(folder: Path) -> dict[str, Any]:
    about = cache.read_about(fetch("cifar10", folder=folder, offline=True))
    for split in ("train", "test"):
        stored = cache.images(paths.dataset("cifar10"), split, about[split]["shape"])
        about[split]["pixels"] = np.array(stored).tobytes()
    return about


@pytest.mark.parametrize("published", [True, False])
def test_what_was_packed_is_read_back_the_same(small: Change, published: bool) -> None:
    mixed, places = synthetic.shuffled(synthetic.cifar())
    synthetic.write_mosaics(Path("given/cifar10"), mixed, places=places if published else None)
    before = fetched(Path("given"))
    assert main(["pack", "cifar10", "--out", "packed"]) == 0
    names = {path.name for path in Path("packed/cifar10").iterdir()}
    pictures = {"train-0.webp", "train-1.webp", "train-2.webp", "test-0.webp", "test-1.webp"}
    lists = {"train-labels.npy", "test-labels.npy"}
    index = {"train-index.npy", "test-index.npy"} if published else set()
    assert names == pictures | lists | index
    after = fetched(Path("packed"))
    assert after["positions"] == ("published" if published else "found")
    for split in ("train", "test"):
        assert after[split] == before[split]  # pixels, hashes, labels and places


def test_all_of_cifar10_takes_six_mosaics(tmp_path: Path) -> None:
    sizes = [
        [part.stop - part.start for part in pack_dataset._parts(n)]
        for n in (50_000, 10_000, 10_250)
    ]
    assert sizes == [[10_000] * 5, [10_000], [10_000, 200, 50]]
    tiles = np.zeros((10_000, 32, 32, 3), np.uint8)
    tiles[101] = 7
    mosaics.write(tmp_path / "a.webp", tiles, columns=100, quality=0, method=0)
    whole = decode(tmp_path / "a.webp")
    assert whole.shape == (3200, 3200, 3)
    assert (whole[32:64, 32:64] == 7).all()
    assert whole.sum() == 7 * 32 * 32 * 3


def test_what_is_not_read_from_mosaics_or_not_here_is_refused(workdir: Path) -> None:
    with pytest.raises(AtopError, match="imagenette is not read from mosaics; copy results/data"):
        pack_dataset.pack("imagenette", Path("packed"))
    with pytest.raises(AtopError, match="no such dataset; make it with"):
        pack_dataset.pack("cifar100", Path("packed"))
