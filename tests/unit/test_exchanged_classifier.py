"""f exchanged after AToP: g of one classifier's cell before another classifier."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.suite_records import write_suite

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.experiment import availability, config, paths, presets, validate
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.stages.evaluation import Evaluate
from atop.experiment.stages.finetuning import Finetune, Tune
from atop.experiment.stages.plan import of_tables
from atop.experiment.stages.stage import Stage
from atop.experiment.stages.training import TrainClassifier
from atop.experiment.tables import table
from atop.pipeline import assemble
from atop.reporting.render import render

Change = Callable[[str, dict[str, Any]], None]
OWN = Cell(
    dataset="cifar10", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
PUBLIC = replace(OWN, classifier="resnet18_32")
BOTH = {
    replace(PUBLIC, trained_with="resnet_small"): OWN,
    replace(OWN, trained_with="resnet18_32"): PUBLIC,
}
"""The two directions, and whose weights each has."""
EXTRAS = ("rt2-exchanged", "small-exchanged")


def native() -> Preset:
    return presets.get("native_cpu")


def evaluated(cell: Cell) -> Evaluate:
    return Evaluate(preset=native(), cell=cell, suite="table7", target="classifier")


@pytest.mark.parametrize("cell", BOTH)
def test_an_evaluation_reads_the_one_classifier_and_the_purifier_of_the_other(cell: Cell) -> None:
    preset, stage = native(), evaluated(cell)
    (f,) = paths.classifier(preset, "cifar10", cell.classifier)
    assert stage.weights == [f, paths.purifier(preset, BOTH[cell])]
    attacked = paths.adversarial(preset, cell.bare, "pgd-20")
    assert attacked in stage.inputs
    assert stage.fingerprint == evaluated(replace(cell, trained_with="")).fingerprint
    assert stage.file != evaluated(replace(cell, trained_with="")).file


def test_fine_tuning_is_planned_once_and_shared() -> None:
    made = table("table7", native(), extras=True)
    stages = of_tables([made])
    trained = [stage.cell for stage in stages if isinstance(stage, Finetune)]
    records = [stage.cell for stage in stages if isinstance(stage, Evaluate)]
    for cell, other in BOTH.items():
        assert records.count(cell) == 1
        assert trained.count(other) == 1
        assert records.count(other) == 1
    assert not any(cell.trained_with for cell in trained)
    own = {cell.id for cell in trained} & {replace(cell, trained_with="").id for cell in BOTH}
    assert own == {OWN.id, PUBLIC.id}
    assert not any(isinstance(stage, TrainClassifier) for stage in stages)  # both have weights


@pytest.mark.parametrize("cell", BOTH)
def test_each_classifier_is_trained_before_what_needs_it(change: Change, cell: Cell) -> None:
    change(
        "presets/native_cpu", {"classifiers": {"resnet_small": ..., "resnet18_32": {"train": True}}}
    )
    stages = list(Evaluate(
        preset=presets.get("native_cpu"), cell=cell, suite="table7", target="classifier"
    ).chain())  # fmt: skip
    made: set[Path] = set()
    for stage in stages:
        assert {path for path in stage.inputs if path.parts[1] == "native_cpu"} <= made
        made.add(stage.file)
    names = {stage.cell.classifier for stage in stages if isinstance(stage, TrainClassifier)}
    assert names == {"resnet_small", "resnet18_32"}


@pytest.mark.parametrize("cell", BOTH)
def test_a_command_for_its_fine_tuning_trains_the_other_cell(cell: Cell) -> None:
    stage: Stage = Finetune.parse(preset="native_cpu", cell=cell.id)
    assert (stage.cell, stage.file) == (BOTH[cell], paths.purifier(native(), BOTH[cell]))


def test_a_command_trains_no_ablation() -> None:
    """Its weights are those of the whole transform, so it must not be trained without a part."""
    silent = replace(PUBLIC, ablation="no_noise")
    assert Finetune.parse(preset="native_cpu", cell=silent.id).cell == PUBLIC
    tuned = Cell(
        dataset="cifar10", classifier="resnet_small", transform="rt2", finetune="classifier"
    )
    silent = replace(tuned, ablation="no_mask")
    assert Tune.parse(preset="native_cpu", cell=silent.id).cell == tuned


def test_a_defence_has_the_weights_of_the_one_and_the_classifier_of_the_other(
    workdir: Path,
) -> None:
    smoke = presets.get("smoke")
    cell = replace(OWN, dataset="cifar10_slice", trained_with="resnet18_32")
    networks = {}
    for seed, each in enumerate((cell.weights, replace(cell, trained_with=""))):
        torch.manual_seed(seed)
        networks[each.classifier] = network = assemble.purifier(smoke, "deepfill")
        checkpoints.save(paths.purifier(smoke, each), network, {})
    defense = assemble.defense(smoke, cell)

    def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
        states = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
        return all(torch.equal(*pair) for pair in states)

    assert equal(defense.purifier, networks["resnet18_32"])
    assert not equal(defense.purifier, networks["resnet_small"])
    assert equal(
        defense.classifier, assemble.trained_classifier(smoke, "cifar10_slice", "resnet_small")
    )


def test_public_weights_of_both_classifiers_are_needed() -> None:
    paper = presets.get("paper")
    cell = Cell(
        dataset="cifar10", classifier="wrn70_16", trained_with="wrn28_10", purifier="deepfill",
        init="places2", transform="rt2", finetune="adversarial",
    )  # fmt: skip
    names = {path.name for path in availability.weights(cell, paper)}
    assert names == {"diffpure-wrn-70-16.pt", "Standard.pt", "deepfill-places2.pth"}


MISTAKES = [
    ({"trained_with": "resnet99"}, r"classifiers\.yaml: no 'resnet99'; known are"),
    ({"trained_with": "any"}, r"classifiers\.yaml: no 'any'; known are"),
    ({"trained_with": "zhang2020_wrn28", "dataset": "cifar100"}, "no weights for cifar100"),
    ({"trained_with": "resnet_small"}, "is the cell's own classifier; leave it out, or name anot"),
    ({"finetune": "none"}, "fine-tunes a purifier with; finetune none of deepfill knows none"),
    ({"finetune": "continued"}, "finetune continued of deepfill knows none"),
    ({"finetune": "classifier", "purifier": "identity", "init": "none"}, "of identity knows none"),
    ({"purifier": "identity", "init": "none"}, "finetune adversarial of identity knows none"),
]


@pytest.mark.parametrize(("fields", "told"), MISTAKES)
def test_a_cell_that_makes_no_sense_is_refused(fields: dict[str, str], told: str) -> None:
    cell = replace(OWN, **{"trained_with": "resnet18_32", **fields})  # type: ignore[arg-type]
    with pytest.raises(AtopError, match=told) as found:
        validate.check_cell(cell, native())
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("preset", presets.names())
def test_a_table_that_exchanges_a_classifier_for_itself_is_refused(
    change: Change, preset: str
) -> None:
    rows = config.table("table7").given()["rows"]
    own = {**rows[1], "key": "own", "cell": {**rows[1]["cell"], "trained_with": "resnet18"}}
    change("tables/table7", {"rows": [*rows, own]})
    if preset != "embedded":  # which fine-tunes nothing
        with pytest.raises(AtopError, match="trained_with is the cell's own classifier"):
            validate.check_table(table("table7", presets.get(preset)))


def test_a_preset_with_one_classifier_for_both_says_so(tmp_path: Path) -> None:
    """It runs nothing for such a row."""
    smoke = table("table7", presets.get("smoke"), extras=True)
    for key in EXTRAS:
        row = smoke.row(key)
        for column in smoke.columns:
            reason = smoke.not_run(row, column)
            assert reason == "not applicable: preset smoke has one classifier for both"
            assert smoke.record(row, column) is None
    assert not any(stage.cell.trained_with for stage in of_tables([smoke]))
    render(table=smoke, results=tmp_path, out=tmp_path)
    text = (tmp_path / "table7.md").read_text()
    (footnote,) = (line for line in text.splitlines() if "not applicable: preset smoke" in line)
    number = footnote.partition(">")[2].partition("<")[0]
    rows = [line for line in text.splitlines() if f"not run<sup>{number}</sup>" in line]
    assert len(rows) == len(EXTRAS)
    for row in rows:
        assert "g trained with" in row
        assert row.count(f"<sup>{number}</sup>") == len(smoke.columns)


@pytest.mark.parametrize("preset", ["native_cpu", "native"])
@pytest.mark.parametrize("name", ["table7", "strict"])
def test_rows_in_both_directions_and_what_they_are_compared_with(preset: str, name: str) -> None:
    made = table(name, presets.get(preset), extras=True)
    keys = {row.key for row in made.rows}
    rows = [key for key in keys if key.endswith("exchanged")]
    assert len(rows) == 2
    cells = {key: made.cell(made.row(key)) for key in keys}
    for key in rows:
        cell = cells[key]
        assert cell in BOTH
        seconds = [cells[second] for first, second in made.spec.pairs if first == key]
        assert seconds == [
            replace(cell, trained_with=""),
            replace(cell, trained_with="", finetune="none"),
        ]
        other = cell.trained_with
        assert (other in made.substitutes(made.row(key))) == (other != "resnet_small")


@pytest.mark.parametrize("name", ["table2", "table3", "table4"])
def test_the_row_of_the_public_review(name: str) -> None:
    made = table(name, presets.get("paper"), extras=True)
    cell = made.cell(made.row("ours-wrn70-exchanged"))
    assert cell
    assert (cell.classifier, cell.trained_with) == ("wrn70_16", "wrn28_10")
    assert cell.weights == made.cell(made.row("ours-wrn28"))
    assert ["ours-wrn70-exchanged", "ours-wrn70"] in made.pairs


def test_a_claim_about_it_needs_the_regime_too(tmp_path: Path) -> None:
    made = table("table7", native(), extras=True)
    for key in ("rt2-none", "rt2-atop", "rt2-exchanged"):
        write_suite(tmp_path, made, key, rate=0.8, attacked=0.8)
    render(table=made, results=tmp_path, out=tmp_path)
    text = (tmp_path / "table7.md").read_text()
    pairs = text.partition("## Compared on the same examples")[2].splitlines()
    counts = {
        tuple(line.strip("| ").split(" | ")[:2]): line.count("not in regime") for line in pairs
    }
    first = "RT2, g trained with resnet_small, AToP yes"
    assert counts[first, "RT2, AToP no"] == len(made.columns)
    assert counts[first, "RT2, AToP yes"] == 0  # says nothing of AToP
