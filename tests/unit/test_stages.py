"""The DAG's classes agree with rules, with each other, and with the code that runs them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from atop.__main__ import parser
from atop.experiment import config, presets
from atop.experiment.cells import Cell
from atop.experiment.stages import attack, evaluation, finetuning, plan, training
from atop.experiment.stages.stage import Stage
from atop.experiment.tables import table
from atop.pipeline import run

CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
PARSED = [
    training.TrainClassifier.parse(preset="paper", dataset="cifar10", classifier="resnet18_at"),
    finetuning.Pretrain.parse(preset="native", dataset="cifar10", purifier="deepfill"),
    finetuning.Finetune.parse(preset="smoke", cell=CELL.id),
    finetuning.Tune.parse(
        preset="smoke", cell="cifar10_slice-resnet_small-identity-none-rt2-classifier-paper-s0"
    ),
    attack.Attack.parse(preset="smoke", cell=CELL.bare.id, attack="pgd-20"),
    evaluation.Evaluate.parse(preset="smoke", cell=CELL.id, suite="table7"),
    evaluation.TraceImages.parse(preset="smoke", cell=CELL.id, attack="fgsm"),
]
"""A stage of each class."""


def classes(base: type[Stage] = Stage) -> Iterator[type[Stage]]:
    """All classes of stages that rules know."""
    for child in base.__subclasses__():
        if "pattern" in vars(child):
            yield child
        yield from classes(child)


def test_there_is_a_stage_of_each_class() -> None:
    assert {type(stage) for stage in PARSED} == set(classes())


@pytest.mark.parametrize("stage", PARSED, ids=lambda stage: type(stage).__name__)
def test_its_file_fits_the_pattern_of_its_rule(stage: Stage) -> None:
    names = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[\\w-]+)", re.escape(stage.pattern))
    match = re.fullmatch(names, str(stage.file))
    assert match
    again = type(stage).parse(**match.groupdict())
    assert (again.file, again.fingerprint) == (stage.file, stage.fingerprint)
    assert {str(stage.file), str(stage.metadata)} == {
        pattern.format(**match.groupdict()) for pattern in stage.patterns()
    }


@pytest.mark.parametrize("stage", PARSED, ids=lambda stage: type(stage).__name__)
def test_it_has_code_and_a_command(stage: Stage) -> None:
    assert type(stage) in run._RUN
    assert re.search(rf"\n    {stage.command}\s", parser().format_help())


@pytest.mark.parametrize("preset", ["paper", "native", "smoke"])
@pytest.mark.parametrize("name", config.tables())
def test_what_a_stage_reads_is_made_before_it(preset: str, name: str) -> None:
    made: set[Path] = set()
    for stage in plan.of_tables([table(name, presets.get(preset))]):
        here = {path for path in stage.inputs if path.parts[:2] == ("results", preset)}
        assert here <= made, stage.file
        assert set(stage.weights) <= set(stage.inputs)
        made.add(stage.file)


def test_a_stage_that_no_preset_knows_is_refused() -> None:
    with pytest.raises(Exception, match=r"no 'nonsense'; known are"):
        attack.Attack.parse(preset="smoke", cell="cifar10-nonsense-undefended", attack="fgsm")
