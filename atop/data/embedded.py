"""The slice of CIFAR-10 that lies in this repository, as two lossless WebP mosaics."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from atop import config, paths
from atop.cells import Cell
from atop.data.cifar10 import decode
from atop.data.dataset import Array
from atop.files import ROOT, read_json, sha256, write_json, writing

FOLDER = ROOT / "workflow" / "resources"
MAKER = "embedded"
COLUMNS = 50
SIZES = {"train": 2000, "test": 512}


def fetch(folder: Path | None) -> dict[str, Array]:
    """Return `{train,test}_{images,labels,index}`; `folder` is another place for the mosaics."""
    folder = folder or FOLDER
    names = read_json(folder / "cifar10_slice.json")
    arrays: dict[str, Array] = {}
    for split, facts in names.items():
        mosaic = decode(folder / f"cifar10_slice-{split}.webp")
        rows = mosaic.reshape(mosaic.shape[0] // 32, 32, mosaic.shape[1] // 32, 32, 3)
        pictures = rows.swapaxes(1, 2).reshape(-1, 32, 32, 3)
        arrays[f"{split}_images"] = pictures[: len(facts["labels"])]
        arrays[f"{split}_labels"] = np.array(facts["labels"], np.uint8)
        arrays[f"{split}_index"] = np.array(facts["index"])
    return arrays


def install() -> dict[Path, str]:
    """Fill workflow/resources/ from the preset `embedded`; return what lies there and its SHA-256.

    The sums belong into datasets.yaml and presets/smoke.yaml.
    """
    preset = config.preset(MAKER)
    with np.load(paths.dataset("cifar10")) as whole:
        cut(dict(whole), seed=preset["seed"])
    cell = Cell(dataset="cifar10", classifier="resnet_small", purifier="deepfill", init="scratch")
    networks = {
        "resnet_small": paths.classifier(MAKER, cell.dataset, cell.classifier),
        "deepfill": paths.initial(MAKER, cell),
    }
    for name, path in networks.items():
        for ending in (".safetensors", ".json"):
            shutil.copyfile(path.with_suffix(ending), FOLDER / f"{name}{ending}")
    return {path: sha256(path) for path in sorted(FOLDER.iterdir())}


def cut(whole: dict[str, Array], *, seed: int, folder: Path = FOLDER) -> None:
    """Write the slice of a whole CIFAR-10: the start of a seeded permutation of each split."""
    facts = {}
    for split, size in SIZES.items():
        images, labels = whole[f"{split}_images"], whole[f"{split}_labels"]
        index = np.random.RandomState(seed).permutation(len(labels))[:size]
        facts[split] = {"index": index.tolist(), "labels": labels[index].tolist()}
        rows = -(-size // COLUMNS)
        tiles = np.zeros((rows * COLUMNS, 32, 32, 3), np.uint8)
        tiles[:size] = images[index]
        mosaic = tiles.reshape(rows, COLUMNS, 32, 32, 3).swapaxes(1, 2)
        mosaic = mosaic.reshape(rows * 32, COLUMNS * 32, 3)
        with writing(folder / f"cifar10_slice-{split}.webp") as temporary:
            Image.fromarray(mosaic).save(temporary, "WEBP", lossless=True, quality=100, method=6)
    write_json(folder / "cifar10_slice.json", facts)
