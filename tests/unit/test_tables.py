"""Rows and columns of a table under a preset: which record each number comes from, or why none."""

from collections.abc import Callable
from typing import Any

import pytest

from atop.core.errors import AtopError
from atop.experiment import config, presets, validate
from atop.experiment.cells import Cell
from atop.experiment.settings.presets import PurifierSpec
from atop.experiment.tables import Table, table

Change = Callable[[str, dict[str, Any]], None]
MINE = {
    "title": "Mine",
    "suite": "mine",
    "labels": ["Defense"],
    "defaults": {
        "dataset": "cifar10", "classifier": "resnet18", "purifier": "deepfill", "init": "places2",
        "transform": "rt2",
    },
    "rows": [
        {"key": "here", "labels": ["here"], "cell": {"finetune": "adversarial"}},
        {"key": "closed", "labels": ["closed"], "cited": "no weights"},
    ],
    "columns": [
        {"key": "pgd", "label": "PGD", "attack": "pgd-10"},
        {"key": "worst", "label": "Worst", "worst": ["clean", "pgd-10", "pgd-20@classifier"]},
        {"key": "other", "label": "Grey box", "attack": "fgsm", "suite": "table7"},
    ],
}  # fmt: skip
SUITE = {
    "target": "defense",
    "attacks": ["clean", "pgd-10", "pgd-20@classifier"],
    "draws": 4,
    "selection": 4,
}


EXTRA = {"key": "more", "labels": ["more"], "cell": {"finetune": "none"}}


def cell_of(made: Table, row: str, column: str | None = None) -> Cell:
    found = made.cell(made.row(row), made.column(column) if column else None)
    assert found
    return found


def obstacle(made: Table, row: str, column: str) -> str | None:
    return made.not_run(made.row(row), made.column(column))


@pytest.fixture
def mine(change: Change) -> Change:
    """The function that `change` gives, and a table of ours."""
    (config.folder() / "tables" / "mine.yaml").write_text("{}")
    change("tables/mine", MINE)
    change("attacks", {"suites": {"mine": SUITE}})
    for preset in presets.names():
        change(f"presets/{preset}", {"suites": {}})
    change("presets/paper", {"classifier": {}})
    return change


def test_a_table_takes_the_presets_substitutes_and_the_users_overrides() -> None:
    smoke = table("table7", presets.get("smoke"))
    cell = cell_of(smoke, "rt2-atop")
    assert cell.id == "cifar10_slice-resnet_small-deepfill-scratch-rt2-adversarial-paper-s0"
    assert cell_of(smoke, "undefended").id == "cifar10_slice-resnet_small-undefended"
    assert smoke.row("undefended").control
    assert not smoke.row("rt2-atop").control
    assert smoke.substitutes(smoke.row("rt2-atop")) == ["resnet_small", "cifar10_slice"]
    changed = table("table7", presets.get("paper"), recipe="official", seed=4, init=None)
    cell = cell_of(changed, "rt2-atop")
    assert cell.id == "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-s4"
    assert cell_of(changed, "undefended") == Cell(dataset="cifar10", classifier="resnet18")
    assert changed.substitutes(changed.row("rt2-atop")) == []
    assert (
        cell_of(table("table7", presets.get("paper"), init="scratch"), "rt1-none").init == "scratch"
    )


def test_a_row_with_a_recipe_of_its_own_keeps_it() -> None:
    for said in (None, "official", "minmax"):
        made = table("table7", presets.get("paper"), recipe=said, seed=4)
        cell = cell_of(made, "rt2-minmax")
        assert (cell.recipe, cell.seed) == ("minmax", 4)
        assert cell_of(made, "rt2-atop").recipe == (said or "paper")
        assert cell_of(made, "rt2-none").recipe == ("official" if said == "official" else "paper")


def test_a_preset_has_substitutes_for_some_inits(change: Change) -> None:
    rows = config.table("table7").given()["rows"]
    own = {**rows[0], "key": "own", "cell": {**rows[0]["cell"], "init": "scratch"}}
    change("tables/table7", {"rows": [own, *rows]})

    def inits(**words: Any) -> list[str]:
        made = table("table7", presets.get("paper"), **words)
        return [cell_of(made, key).init for key in ("own", "rt1-none")]

    assert inits() == ["scratch", "places2"]
    change("presets/paper", {"init": {"places2": "moon"}})
    assert inits() == ["scratch", "moon"]
    assert inits(init="places2") == ["places2", "places2"]  # the user's word wins over both
    assert inits(init="scratch") == ["scratch", "scratch"]


def test_a_word_for_init_is_for_the_purifiers_that_have_it() -> None:
    def inits(preset: str, **words: Any) -> list[str]:
        made = table("table5", presets.get(preset), **words)
        validate.check_table(made)
        return [cell_of(made, key).init for key in ("wu2023-atop", "ughini2022-atop")]

    assert inits("paper") == ["imagenet", "places2"]
    assert inits("paper", init="scratch") == ["scratch", "scratch"]
    assert inits("paper", init="imagenet_large") == ["imagenet_large", "places2"]
    assert inits("native") == ["scratch", "scratch"]
    assert inits("native", init="places2") == ["scratch", "places2"]
    with pytest.raises(AtopError, match=r"init=moon: no such init; known are imagenet, .*scratch"):
        inits("paper", init="moon")


def test_a_purifier_needs_no_row_in_a_preset(mine: Change) -> None:
    mine("presets/paper", {"purifiers": {"deepfill": ...}})
    made = table("mine", presets.get("paper"))
    validate.check_table(made)
    assert obstacle(made, "here", "pgd") is None
    assert len(made.records()) == 2
    assert presets.get("paper").purifier("deepfill") == PurifierSpec()
    cell = cell_of(made, "here")
    mine("presets/paper", {"purifiers": {"deepfill": {"options": {"width": 48}}}})
    assert cell_of(table("mine", presets.get("paper")), "here") == cell
    assert presets.get("paper").purifier("deepfill").options == {"width": 48}


def test_a_word_for_init_leaves_cells_without_a_purifier_alone() -> None:
    made = table("strict", presets.get("paper"), init="scratch", seed=3)
    cell = cell_of(made, "no-purifier")
    assert (cell.init, cell.seed) == ("none", 3)
    assert cell_of(made, "rt2-atop").init == "scratch"


def test_a_column_may_run_another_cell_under_another_suite(mine: Change) -> None:
    columns = [*MINE["columns"], {"key": "x", "label": "X", "attack": "fgsm", "suite": "table7",
                                  "cell": {"dataset": "cifar10_slice"}}]  # fmt: skip
    mine("tables/mine", {"columns": columns})
    made = table("mine", presets.get("paper"))
    assert cell_of(made, "here").dataset == cell_of(made, "here", "pgd").dataset == "cifar10"
    assert cell_of(made, "here", "x").dataset == "cifar10_slice"
    path = made.record(made.row("here"), made.column("x"))
    assert path
    assert path.parts[-2:] == (
        "cifar10_slice-resnet18-deepfill-places2-rt2-adversarial-paper-s0",
        "table7-classifier.json",
    )


def test_each_record_is_needed_once_and_only_where_it_can_be_had(mine: Change) -> None:
    made = table("mine", presets.get("paper"))
    names = [path.name for path in made.records()]
    assert names == ["mine-defense.json", "table7-classifier.json"]
    greybox = table("mine", presets.get("paper"), target="classifier")
    assert [path.name for path in greybox.records()] == [
        "mine-classifier.json",
        "table7-classifier.json",
    ]


def test_what_nobody_can_run_has_a_reason(mine: Change) -> None:
    made = table("mine", presets.get("paper"))
    assert obstacle(made, "here", "pgd") is None
    assert obstacle(made, "closed", "pgd") == "no weights"


def test_a_preset_may_leave_entries_out(mine: Change) -> None:
    mine("presets/paper", {"suites": {"mine": {"leave_out": ["pgd-10"]}}})
    made = table("mine", presets.get("paper"))
    assert obstacle(made, "here", "pgd") == "preset paper leaves it out"
    worst = made.column("worst")
    assert worst.entries == ("clean", "pgd-20@classifier")
    assert worst.left_out == ("pgd-10",)
    mine("presets/paper", {"suites": {"mine": {"leave_out": ["pgd-10", "pgd-20@classifier"]}}})
    assert (
        obstacle(table("mine", presets.get("paper")), "here", "worst")
        == "preset paper leaves it out"
    )


def column(**words: Any) -> dict[str, Any]:
    return {"columns": [*MINE["columns"], {"key": "more", "label": "More", **words}]}


def row(**words: Any) -> dict[str, Any]:
    return {"rows": [*MINE["rows"], {"key": "more", "labels": ["More"], **words}]}


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (row(cell={"classifier": "wrn98"}), r"classifiers\.yaml: no 'wrn98'; known are .*resn"),
    (row(cell={"purifier": "dmea"}), "no 'dmea' in atop/method/purifiers/: known are .*deepfill"),
    (row(cell={"dataset": "cifar1000"}), r"datasets\.yaml: no 'cifar1000'; known are cifar10"),
    (row(cell={"transform": "rt9"}), r"transforms\.yaml: no 'rt9'"),
    ({"defaults": {"dataset": "svhn"}}, r"datasets\.yaml: no 'svhn'; known are cifar10"),
    ({"waits_for": ["deepfill"]}, r"tables/mine\.yaml: top level: 'waits_for' was unexpected"),
    (row(), "rows.2: 'cell' or 'cited' is needed"),
    (row(cited="so", labels=["a", "b"]), "rows: 'more' has 2 labels; the headings are Def"),
    (row(cited="so", cell={"classifier": "resnet99"}), "no 'resnet99'; known are"),
    (row(cited="so", cell={"dataset": "svhn"}), "no 'svhn'; known are"),
    (row(cited="so", key="here"), "rows: more than one is called 'here'"),
    (row(cited="so", printed=[{"table": "table7", "row": "rt9", "column": "fgsm"}]),
     r"table7\.csv: no number in row 'rt9', column 'fgsm'; known are rows rt1-none, rt1-atop.* and "
     "columns standard, fgsm"),
    (row(cited="so", printed=[{"table": "table77", "row": "rt1-none", "column": "fgsm"}]),
     r"table77\.csv: no number .*known are rows none"),
    (row(cited="so", printed=[{"table": "table8", "row": "rt1-none", "column": "pgd-10"}]),
     "tables/table8.yaml: columns: no 'pgd-10'; known are standard"),
    (column(attack="pgd-1000"), "columns: more: suite mine has no attack 'pgd-1000'; known are c"),
    (column(attack="pgd-10", key="worst"), "columns: more than one is called 'worst'"),
    (column(worst=["clean", "fgsm"], suite="table7"),
     "columns: more: a worst case is picked on selection draws, and suite table7 has none"),
    (column(attack="pgd-10", suite="table77"), "no suite 'table77'"),
    (column(attack="pgd-10", metric="median"), "columns.3.metric: should match .*, not 'median'"),
    (column(attack="pgd-10", metric="tries-1"), "columns.3.metric: should match .*, not 'tries-1'"),
    (column(attack="pgd-10", metric="tries-5"),
     r"columns: more: tries-5 needs as many draws, and suite mine has 4 \(attacks\.yaml, suites"),
    (column(attack="pgd-10", curve="time"), "columns.3.curve: should be 'eot', .*, not 'time'"),
    (column(attack="pgd-10", worst=["clean", "pgd-10"]), "columns.3: exactly one of attack, worst"),
    ({"pairs": [["here", "there"]]}, "rows: no 'there'; known are here, closed"),
    ({"extras": [EXTRA], "pairs": [["here", "moree"]]}, "rows: no 'moree'; known are here, closed"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "told"), MISTAKES)
def test_a_mistake_is_named(mine: Change, changes: dict[str, Any], told: str) -> None:
    validate.check_table(table("mine", presets.get("paper")))
    mine("tables/table8", {"columns": [{"key": "standard", "label": "Clean", "attack": "clean"}]})
    mine("tables/mine", changes)
    with pytest.raises(AtopError, match=told):
        validate.check_table(table("mine", presets.get("paper")))


def test_a_cell_is_checked_though_the_preset_leaves_its_first_column_out(mine: Change) -> None:
    mine("presets/paper", {"suites": {"mine": {"leave_out": ["pgd-10"]}}})
    mine("tables/mine", {"defaults": {"init": "moon"}})
    with pytest.raises(AtopError, match=r"no 'deepfill-moon'; known as init of deepfill are"):
        validate.check_table(table("mine", presets.get("paper")))


def test_a_draw_that_is_known_is_no_candidate(mine: Change) -> None:
    mine("attacks", {"attacks": {"pgd-10": {"through": "fixed"}}})
    with pytest.raises(AtopError, match="worst: 'pgd-10' knows the draw that it is judged on"):
        validate.check_table(table("mine", presets.get("paper")))


def test_what_a_suite_and_a_preset_name_exists(mine: Change) -> None:
    validate.check_everything({})
    mine("presets/smoke", {"suites": {"mine": {"leave_out": ["pgd-11"]}}})
    with pytest.raises(AtopError, match=r"smoke\.yaml: suites\.mine\.leave_out: no 'pgd-11' to le"):
        validate.check_everything({})
    mine("presets/smoke", {"suites": {"mine": {"leave_out": []}}, "slow_tables": ["table77"]})
    with pytest.raises(AtopError, match=r"tables/table77\.yaml: no such file; known are"):
        validate.check_everything({})
    mine("presets/smoke", {"slow_tables": [], "training_attack": "fgsmm"})
    with pytest.raises(AtopError, match=r"attacks\.yaml: no attack 'fgsmm'; known are"):
        validate.check_everything({})
    mine("presets/smoke", {"training_attack": "fgsm"})
    mine("attacks", {"suites": {"mine": {"attacks": [*SUITE["attacks"], "pgd-11@classifier"]}}})
    with pytest.raises(AtopError, match=r"suites\.mine: no attack 'pgd-11@classifier'; known ar"):
        validate.check_everything({})


def test_pairs_of_extra_rows_are_shown_with_them(mine: Change) -> None:
    mine("tables/mine", {"extras": [EXTRA], "pairs": [["here", "more"], ["here", "closed"]]})
    for extras, pairs in (
        (False, [["here", "closed"]]),
        (True, [["here", "more"], ["here", "closed"]]),
    ):
        made = table("mine", presets.get("paper"), extras=extras)
        validate.check_table(made)
        assert made.pairs == pairs
