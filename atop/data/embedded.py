"""The slice of CIFAR-10 in this repository: two lossless WebP mosaics."""

from itertools import islice
from pathlib import Path

from atop.core.files import ROOT, read_json
from atop.data.mosaics import tiles
from atop.data.source import SPLITS, FoundDataset, Images, Source

FOLDER = ROOT / "workflow" / "resources"
NAME = "cifar10_slice"
SIDE = 32


def read(folder: Path = FOLDER) -> FoundDataset:
    """Read the slice from a folder: two mosaics, and a JSON file of labels and positions."""
    facts = read_json(folder / f"{NAME}.json")
    train, test = (
        Images(
            islice(tiles(folder / f"{NAME}-{split}.webp", SIDE), len(facts[split]["labels"])),
            facts[split]["labels"],
            facts[split]["index"],
        )
        for split in SPLITS
    )
    return FoundDataset(train=train, test=test, where=str(folder), published=True)


SOURCE = Source(
    title="The slice of CIFAR-10",
    page="this repository",
    hosts={"this repository": lambda _: read()},
    local=True,
)
