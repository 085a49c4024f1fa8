"""The authors' log: its numbers, and the one recipe whose curves it stands beside."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from atop.experiment import presets
from atop.reporting.report import authors_log, figures

OFFICIAL = authors_log.CELL


def test_the_log_holds_the_epochs_of_the_notebook() -> None:
    with authors_log.FILE.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["epoch"]) for line in lines] == list(range(1, 64))
    assert all(int(line["images"]) == 8 * 625 * int(line["epoch"]) for line in lines)
    means = {
        (2, 10): {"clean": 86.3, "fgsm": 86.2, "bim": 84.0, "eot-pgd": 83.6, "pgd-20": 83.1},
        (10, 30): {"clean": 88.3, "fgsm": 88.7, "bim": 86.0, "eot-pgd": 85.6, "pgd-20": 85.0},
        (30, 63): {"clean": 88.0, "fgsm": 89.5, "bim": 86.4, "eot-pgd": 85.6, "pgd-20": 85.5},
    }
    for (first, last), told in means.items():
        for name, mean in told.items():
            found = [float(line[name]) for line in lines[first:last]]
            assert sum(found) / len(found) == pytest.approx(mean, abs=0.06)


def test_the_log_is_of_one_recipe() -> None:
    assert authors_log.matches(OFFICIAL, presets.get("paper"))
    assert authors_log.matches(replace(OFFICIAL, seed=3), presets.get("paper"))
    assert OFFICIAL.id == "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-s0"


@pytest.mark.parametrize(
    "word",
    [
        {"dataset": "cifar100"}, {"classifier": "resnet34"}, {"purifier": "dmae"},
        {"init": "scratch"}, {"transform": "rt1"}, {"finetune": "clean"}, {"recipe": "paper"},
    ],
    ids=lambda word: next(iter(word)),
)  # fmt: skip
def test_one_other_word_is_another_recipe(word: dict[str, str]) -> None:
    assert not authors_log.matches(replace(OFFICIAL, **word), presets.get("paper"))


@pytest.mark.parametrize("preset", sorted({"smoke", "native"}))
def test_a_preset_that_is_not_comparable_has_no_log(preset: str) -> None:
    assert not authors_log.matches(OFFICIAL, presets.get(preset))
    assert authors_log.FILE.name not in {path.name for path in figures.parts(presets.get(preset))}


def test_the_papers_page_is_made_of_the_log_too() -> None:
    assert Path("tables/paper/training_log.csv") in figures.parts(presets.get("paper"))
