"""Makes what lies in workflow/resources/ from all of CIFAR-10 and the preset `embedded`."""

import shutil
from pathlib import Path

import numpy as np
import torch

from atop.core.files import sha256, write_json
from atop.data import mosaics
from atop.data.dataset import Dataset, Split, load
from atop.data.embedded import FOLDER, NAME
from atop.experiment import config, paths, presets

PRESET = "embedded"
COLUMNS = 50
SIZES = {"train": 2000, "test": 512}
VALIDATION = 128


def install() -> dict[Path, str]:
    """Fill workflow/resources/ from the preset `embedded`; return the files and their SHA-256.

    The hashes belong into datasets.yaml and presets/smoke.yaml.
    """
    preset = presets.get(PRESET)
    dataset = load(paths.dataset("cifar10"), classes=config.dataset("cifar10").classes)
    cut(dataset, seed=preset.settings.seed)
    networks = {"resnet_small": paths.trained(preset, "cifar10", "resnet_small")}
    for name in preset.settings.purifiers:
        networks[name] = paths.pretrained(preset, "cifar10", name)
    for name, path in networks.items():
        for ending in (".safetensors", ".json"):
            shutil.copyfile(path.with_suffix(ending), FOLDER / f"{name}{ending}")
    return {path: sha256(path) for path in sorted(FOLDER.iterdir())}


def cut(dataset: Dataset, *, seed: int, folder: Path = FOLDER) -> None:
    """Write the slice of CIFAR-10: the start of a seeded permutation of each split.

    The training split ends with images of CIFAR-10's validation split: the last of all.
    """
    facts = {}
    for name, size in SIZES.items():
        split: Split = getattr(dataset, name)
        order = np.random.RandomState(seed).permutation(len(split))
        validation = order[len(split) - VALIDATION :] if name == "train" else order[:0]
        index = np.concatenate((order[:size], validation))
        part = split.take(torch.from_numpy(index))
        facts[name] = {"index": index.tolist(), "labels": part.labels.tolist()}
        path = folder / f"{NAME}-{name}.webp"
        mosaics.write(path, part.images.numpy(), columns=COLUMNS, quality=100, method=6)
    write_json(folder / f"{NAME}.json", facts)
