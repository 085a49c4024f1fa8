"""Makes what lies in workflow/resources/ from all of CIFAR-10 and the preset `embedded`."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from atop.core.files import sha256, write_json
from atop.data import mosaics
from atop.data.dataset import Dataset, Split, load
from atop.data.embedded import FOLDER, NAME
from atop.experiment import config, paths
from atop.experiment.cells import Cell

MAKER = "embedded"
COLUMNS = 50
SIZES = {"train": 2000, "test": 512}
HELD_OUT = 128


def install() -> dict[Path, str]:
    """Fill workflow/resources/ from the preset `embedded`; return what lies there and its SHA-256.

    The sums belong into datasets.yaml and presets/smoke.yaml.
    """
    preset = config.preset(MAKER)
    whole = load(paths.dataset("cifar10"), classes=config.dataset("cifar10").classes)
    cut(whole, seed=preset.seed)
    cell = Cell(dataset="cifar10", classifier="resnet_small", init="scratch")
    networks = {"resnet_small": paths.trained(MAKER, cell.dataset, cell.classifier)}
    for name in preset.purifiers:
        networks[name] = paths.initial(MAKER, replace(cell, purifier=name))
    for name, path in networks.items():
        for ending in (".safetensors", ".json"):
            shutil.copyfile(path.with_suffix(ending), FOLDER / f"{name}{ending}")
    return {path: sha256(path) for path in sorted(FOLDER.iterdir())}


def cut(whole: Dataset, *, seed: int, folder: Path = FOLDER) -> None:
    """Write the slice of a whole CIFAR-10: the start of a seeded permutation of each split.

    The training split ends with some that CIFAR-10 holds out of training: the last of all.
    """
    facts = {}
    for name, size in SIZES.items():
        split: Split = getattr(whole, name)
        order = np.random.RandomState(seed).permutation(len(split))
        out = order[len(split) - HELD_OUT :] if name == "train" else order[:0]
        index = np.concatenate((order[:size], out))
        part = split.take(torch.from_numpy(index))
        facts[name] = {"index": index.tolist(), "labels": part.labels.tolist()}
        path = folder / f"{NAME}-{name}.webp"
        mosaics.write(path, part.images.numpy(), columns=COLUMNS, quality=100, method=6)
    write_json(folder / f"{NAME}.json", facts)
