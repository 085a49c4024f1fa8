"""Small datasets in the layouts in which the real ones come."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from atop.core.files import read_json, write_json
from atop.data.source import SPLITS, FoundDataset, Images

Arrays = dict[str, Any]
PART = 4
"""Pictures in a file of the synthetic CIFAR."""


def cifar(classes: int = 10, side: int = 32) -> Arrays:
    """`{train,test}_{images,labels}` of 20 training and 4 test pictures."""
    rng = np.random.RandomState(0)
    arrays: Arrays = {}
    for split, size in (("train", 5 * PART), ("test", PART)):
        arrays[f"{split}_images"] = rng.randint(0, 256, (size, side, side, 3)).astype(np.uint8)
        arrays[f"{split}_labels"] = rng.randint(0, classes, size).astype(np.uint8)
    return arrays


def found(arrays: Arrays, **facts: Any) -> FoundDataset:
    """The same as a source hands it out."""
    train, test = (
        Images(arrays[f"{split}_images"], arrays[f"{split}_labels"].tolist()) for split in SPLITS
    )
    return FoundDataset(**{"train": train, "test": test, "where": "here", **facts})


def read(source: FoundDataset) -> Arrays:
    """All that a source has."""
    return {
        f"{split}_{what}": values
        for split in SPLITS
        for what, values in (
            ("images", np.stack(list(getattr(source, split).images))),
            ("labels", np.array(getattr(source, split).labels)),
        )
    }


def shuffled(arrays: Arrays) -> tuple[Arrays, dict[str, list[int]]]:
    """The same pictures in another order, and the place of each in the first."""
    places = {s: np.random.RandomState(1).permutation(len(arrays[f"{s}_labels"])) for s in SPLITS}
    mixed = {name: array[places[name.split("_")[0]]] for name, array in arrays.items()}
    return mixed, {split: order.tolist() for split, order in places.items()}


def write_pngs(folder: Path, arrays: Arrays) -> None:
    """As the npm mirror unpacks: a picture a row, labels as JSON (names as it spells them)."""
    folder.mkdir(parents=True)
    for split, name in (("train", "data_batch_{}.png"), ("test", "test_batch.png")):
        images = arrays[f"{split}_images"]
        for number, start in enumerate(range(0, len(images), PART), start=1):
            rows = images[start : start + PART].reshape(PART, 32 * 32, 3)
            Image.fromarray(rows).save(folder / name.format(number))
        (folder / f"{split}_lables.json").write_text(json.dumps(arrays[f"{split}_labels"].tolist()))


def write_batches(folder: Path, arrays: Arrays) -> None:
    """As torchvision unpacks CIFAR-10: pickled batches of channels-first rows."""
    folder.mkdir(parents=True)
    for split, name in (("train", "data_batch_{}"), ("test", "test_batch")):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        for number, start in enumerate(range(0, len(images), PART), start=1):
            part = slice(start, start + PART)
            _pickle(folder / name.format(number), images[part], labels=labels[part].tolist())
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))


def write_cifar100(folder: Path, arrays: Arrays) -> None:
    """As torchvision unpacks CIFAR-100: a pickle a split, with coarse labels beside the fine."""
    folder.mkdir(parents=True)
    for split in SPLITS:
        fine = arrays[f"{split}_labels"].tolist()
        labels = {"coarse_labels": [label // 5 for label in fine], "fine_labels": fine}
        _pickle(folder / split, arrays[f"{split}_images"], **labels)
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["a"] * 100}))


def _pickle(path: Path, images: Any, **labels: list[int]) -> None:
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    path.write_bytes(pickle.dumps({"data": rows, **labels}))


def write_mosaics(
    folder: Path, arrays: Arrays, *, places: dict[str, list[int]] | None = None, ending: str = "png"
) -> None:
    """Mosaics of two by two tiles."""
    folder.mkdir(parents=True)
    for split in SPLITS:
        images = arrays[f"{split}_images"]
        for number, start in enumerate(range(0, len(images), 4)):
            tiles = images[start : start + 4].reshape(2, 2, 32, 32, 3)
            mosaic = Image.fromarray(tiles.swapaxes(1, 2).reshape(64, 64, 3))
            mosaic.save(folder / f"{split}-{number}.{ending}", lossless=True)
        np.save(folder / f"{split}-labels.npy", arrays[f"{split}_labels"])
        if places:
            np.save(folder / f"{split}-index.npy", np.array(places[split]))


def write_classes(
    folder: Path, arrays: Arrays, classes: list[str], *, test: str = "test", ending: str = "png"
) -> None:
    """A folder for each class; every class has one picture more than `arrays`, a grey one."""
    for split, name in (("train", "train"), ("test", test)):
        images = arrays[f"{split}_images"]
        for one in classes:
            (folder / name / one).mkdir(parents=True)
            Image.new("RGB", images.shape[1:3], "grey").save(folder / name / one / f"z.{ending}")
        for number, (image, label) in enumerate(
            zip(images, arrays[f"{split}_labels"], strict=True)
        ):
            path = folder / name / classes[label] / f"{number:03}.{ending}"
            Image.fromarray(image).save(path)


def cut(about: Path, n: int) -> None:
    """Leave the first n pictures of each split of a dataset."""
    facts = read_json(about)
    for split in SPLITS:
        images = np.load(about.with_name(f"{split}.npy"))[:n]
        np.save(about.with_name(f"{split}.npy"), images)
        few = {key: facts[split][key][:n] for key in ("labels", "index")}
        facts[split] |= {**few, "shape": list(images.shape)}
    write_json(about, facts)
