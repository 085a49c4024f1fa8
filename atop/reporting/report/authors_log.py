"""The authors' released training log, a reference for the stage whose recipe is theirs.

The numbers come from the output of the one executed cell of the authors' notebook "0..1
cifar-miss-gau-adv" (repository glin2022/atop): 39,700 iterations of batch 8, which are 63 complete
epochs of 625 and a part of the next. They are a log, not a result; `ABOUT` says what differs.
"""

import csv
from dataclasses import replace

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import Cell
from atop.experiment.paper import FOLDER

FILE = FOLDER / "training_log.csv"

CELL = Cell(
    dataset="cifar10",
    classifier="resnet18",
    purifier="deepfill",
    init="places2",
    transform="rt2",
    finetune="adversarial",
    recipe="official",
)

ABOUT = (
    "Thin dashed lines are the authors' released log of this recipe, one notebook cell of 63 "
    "epochs of 5,000 pictures. They are a reference and no second measurement: the L1 target there "
    "is the clean picture, here an L_org stage comes before, and the accuracies there are of 512 "
    "test pictures drawn anew each epoch, not of pictures held out of training. It was trained in "
    "float32, here networks run as the preset's `compute` says. As here, the classifier alone was "
    "attacked."
)


def matches(cell: Cell, preset: str) -> bool:
    """Whether the log is of what a cell's purifier is fine-tuned with, whatever the seed."""
    return config.preset(preset).comparable and cell == replace(CELL, seed=cell.seed)


def accuracies() -> list[Dict]:
    """Lines of `pictures` (seen until then) and accuracies in percent under the names used here."""
    with FILE.open(newline="") as lines:
        return [
            {"pictures": int(line["images"])}
            | {name: float(line[name]) for name in ("clean", "fgsm", "pgd-20")}
            for line in csv.DictReader(lines)
        ]
