"""Entries of a suite that a defence of the user's has no parts for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from atop.experiment import config, presets, tables
from atop.experiment.cells import Cell
from atop.experiment.settings.attacks import parse_entry
from atop.experiment.settings.inputs import ClassifierSpec
from atop.experiment.settings.tables import TableCell
from atop.experiment.stages.evaluation import Evaluate
from atop.experiment.targets import applies, target_of

PRESET = presets.get("paper")
CELL = Cell(dataset="cifar10", classifier="whole")
KNOWN = Cell(dataset="cifar10", classifier="with_inside")
OPTIONS = {"about": "a test", "family": "external", "training": "never"}


@pytest.fixture(autouse=True)
def _rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_GIVEN", {})
    row = ClassifierSpec(**OPTIONS, options={"file": "mine.py"})
    config.give_classifier("whole", row)
    config.give_classifier("with_inside", row.model_copy(update={"inside": "resnet18_32"}))


@pytest.mark.parametrize(
    ("entry", "alone", "with_inside"),
    [
        ("strict-pgd", True, True),
        ("strict-noise", True, True),
        ("strict-bpda", False, False),
        ("strict-features", False, False),
        ("strict-pgd@classifier", False, True),
        ("strict-pgd@untransformed", False, False),
        ("strict-pgd@untuned", False, False),
    ],
)
def test_an_attack_around_a_part_needs_the_part(entry: str, alone: bool, with_inside: bool) -> None:
    parsed = parse_entry(entry, "defense")
    assert applies(parsed, CELL, PRESET) == alone
    assert applies(parsed, KNOWN, PRESET) == with_inside
    assert applies(parsed, Cell(dataset="cifar10", classifier="resnet18"), PRESET)


def test_the_classifier_inside_is_attacked_in_place_of_the_defence() -> None:
    assert target_of(KNOWN, "classifier").classifier == "resnet18_32"
    assert target_of(KNOWN, "defense") == KNOWN
    assert target_of(CELL, "classifier") == CELL


def test_an_evaluation_says_what_it_leaves_out() -> None:
    stage = Evaluate(preset=PRESET, cell=CELL, suite="strict", target="defense")
    assert set(stage.not_applicable) == {
        "strict-bpda", "strict-features", "strict-pgd@classifier", "strict-pgd@untransformed",
        "strict-pgd@untuned",
    }  # fmt: skip
    everything = PRESET.suite("strict").attacks
    assert stage.spec.attacks + tuple(stage.not_applicable) != everything
    assert set(stage.spec.attacks) | set(stage.not_applicable) == set(everything)


@pytest.mark.parametrize(
    "change",
    [{"options": {}}, {"training": "standard"}, {"weights": {"cifar10": ["a"]}}],
)
def test_a_row_without_its_file_is_refused(change: dict[str, object]) -> None:
    row = {**OPTIONS, "options": {"file": "mine.py"}, **change}
    with pytest.raises(ValueError, match="family external"):
        ClassifierSpec(**row)


def test_a_row_of_a_table_is_a_defence_of_ones_own(
    change: Callable[[str, dict[str, object]], None],
) -> None:
    row = {**OPTIONS, "options": {"file": "mine.py", "files": ["mine.pt"]}}
    change("classifiers", {"mine": row})
    rows = [{"key": "mine", "labels": ["mine", "-"], "cell": {"defense": "mine"}}]
    change("tables/strict", {"controls": rows})
    change("tables/table7", {"controls": rows})
    strict, table7 = (tables.table(name, PRESET) for name in ("strict", "table7"))
    cell = strict.cell(strict.row("mine"))
    assert cell
    assert (cell.id, PRESET.sizes(cell).input) == ("cifar10-mine-undefended", 32)
    stage = Evaluate(preset=PRESET, cell=cell, suite="strict", target="defense")
    assert {Path("mine.py"), Path("mine.pt")} <= set(stage.inputs)
    reasons = {column.key: strict.not_run(strict.row("mine"), column) for column in strict.columns}
    assert {key for key, reason in reasons.items() if reason} == {
        "bpda", "features", "grey-box", "transfer",
    }  # fmt: skip
    reason = table7.not_run(table7.row("mine"), table7.column("pgd-20"))
    assert reason
    assert "names no classifier `inside`" in reason
    change("classifiers", {"mine": {"inside": "resnet18_32"}})
    assert table7.not_run(table7.row("mine"), table7.column("pgd-20")) is None


def test_a_defence_names_no_parts() -> None:
    with pytest.raises(ValueError, match="a defense has no other transform"):
        TableCell(defense="mine", transform="rt2")
