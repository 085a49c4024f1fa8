"""The authors' released training log: a reference for the training stage with the same recipe.

The numbers come from the output of the only executed cell of the authors' notebook "0..1
cifar-miss-gau-adv" (repository glin2022/atop): 39,700 iterations of batch 8, that is 63 complete
epochs of 625 and a part of the next. They are a log, not a result; `ABOUT` names the differences.
"""

from dataclasses import replace

import pandas as pd

from atop.core.values import Dict
from atop.experiment.cells import Cell
from atop.experiment.paper import FOLDER
from atop.experiment.presets import Preset

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
    "Thin dashed lines are the authors' released log of this recipe: one notebook cell of 63 "
    "epochs of 5,000 images. They are a reference, not a second measurement. There, the L1 target "
    "is the clean image, training has no L_org stage before, the accuracies are of 512 test images "
    "that are drawn anew each epoch, not of a validation split, and networks run in float32, not "
    "as the preset's `compute` says. As here, the attack was on the classifier alone."
)


def matches(cell: Cell, preset: Preset) -> bool:
    """Return whether the log is of the recipe that fine-tunes a cell's purifier, with any seed."""
    return preset.settings.comparable and cell == replace(CELL, seed=cell.seed)


def accuracies() -> list[Dict]:
    """Return lines of `images` (seen so far) and accuracies in percent by this suite's names."""
    frame = pd.read_csv(FILE, usecols=["images", "clean", "fgsm", "pgd-20"])
    return frame.to_dict("records")  # type: ignore[return-value]
