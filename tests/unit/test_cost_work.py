"""The work of steps, counted by hand; which settings make two passes one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from atop.experiment.steps import Step
from atop.operations.cost.dataset_sizes import size_of
from atop.operations.cost.passes import Look, Pass, Training
from atop.operations.cost.work import Work

from atop.data.dataset import Dataset
from atop.experiment import presets, steps
from atop.experiment.cells import ANY, Cell
from atop.experiment.stages import plan
from atop.experiment.tables import table

CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
TUNED = replace(CELL, purifier="identity", init="none", finetune="classifier")
LOOK = Look(
    preset="smoke", cell=CELL, pixels=32, batch=128, draws=1, gradient=False, how="evaluate"
)
TRAINING = Training(preset="smoke", cell=CELL, verb="finetune")
STRONGER = {
    "strict-pgd-decay", "strict-pgd-targeted", "strict-features", "strict-pgd-majority",
    "strict-pgd-all", "strict-square-clean",
}  # fmt: skip
"""Of suite strict, what came after its first edition, which may cost as much again."""
Change = Callable[[str, dict[str, Any]], None]


def work(verb: str, cell: Cell, preset: str = "smoke", **more: str) -> Work:
    kind = {"attack": "attacks", "evaluate": "evaluation"}.get(verb, "training")
    step = Step(kind=kind, verb=verb, preset=preset, cell=cell, file=Path("x"), **more)
    return step.workload()


def looks(done: Work) -> list[tuple[str, bool, int, int, int, int]]:
    """Who looks at whom: purifier, gradient, batch, draws, pixels, and how many pictures."""
    return [
        (one.cell.purifier, one.gradient, one.batch, one.draws, one.pixels, count)
        for one, count in done.pictures.items()
        if isinstance(one, Look)
    ]


def trained(done: Work) -> int:
    (count,) = (count for one, count in done.pictures.items() if isinstance(one, Training))
    return count


def test_atop_has_its_images_and_its_curve() -> None:
    done = work("finetune", CELL)
    assert trained(done) == 3072
    assert looks(done) == [
        ("deepfill", False, 64, 1, 32, 64 * 3 * 6),  # three sets at five points and before
        ("identity", True, 64, 1, 32, 64 * (1 + 20)),  # which FGSM and PGD-20 make
    ]
    assert not done.at_most
    assert done.held == 2128 * 32 * 32 * 3


def test_l_org_knows_no_classifier_and_has_no_curve() -> None:
    done = work("finetune", CELL.base)
    assert trained(done) == 1024
    assert looks(done) == []


def test_whole_batches_are_trained_on(change: Change) -> None:
    change("presets/smoke", {"stages": {"l_org": {"images": 1000, "batch": 300}}})
    assert trained(work("finetune", CELL.base)) == 900


def test_epochs_are_of_what_is_not_held_out(change: Change) -> None:
    assert trained(work("finetune", TUNED)) == 2000 // 64 * 64
    bare = Cell(dataset="cifar10", classifier="resnet18")
    change("presets/paper", {"stages": {"classifier": {"epochs": 30, "batch": 128}}})
    done = work("classifier", bare, preset="paper")
    assert trained(done) == 30 * ((50_000 - 512) // 128) * 128
    batch = presets.get("paper").settings.evaluation.batch
    assert looks(done) == [("identity", False, batch, 1, 256, 10_000)]  # its accuracy in the end


def test_a_slice_has_the_size_that_it_has(cifar_slice: Dataset) -> None:
    found = size_of("cifar10_slice")
    splits = cifar_slice.train, cifar_slice.validation, cifar_slice.test
    assert found[:3] == tuple(map(len, splits))
    assert found.bytes == 32 * 32 * 3
    assert found.disk == found.bytes * (2000 + 128 + 512)


def test_an_attack_stores_its_set() -> None:
    done = work("attack", CELL.bare, name="pgd-20")
    assert looks(done) == [("identity", True, 128, 1, 32, 20 * 256)]
    assert done.disk == 256 * 3 * 32 * 32 * 4
    assert not done.at_most


def test_the_grey_box_of_preset_paper_takes_the_whole_test_set() -> None:
    cell = replace(CELL, dataset="cifar10", classifier="resnet18", init="places2")
    made = work("attack", cell.bare, preset="paper", name="pgd-20")
    assert sum(made.pictures.values()) == 20 * 10_000
    assert (made.disk, made.held) == (10_000 * 3 * 256 * 256 * 4, 0)  # no device holds them all
    told = {"preset": "paper", "name": "table7"}
    done = work("evaluate", cell, target="classifier", **told)
    assert (sum(done.pictures.values()), done.held) == (6 * 10_000, 0)
    done = work("evaluate", cell, target="defense", **told)
    assert sum(done.pictures.values()) == 6 * 512


def test_judges_and_checks_look_too() -> None:
    done = work("attack", CELL, name="aa-linf-rand")  # 12 pictures, APGD with 5 steps and EOT 4
    assert looks(done) == [
        ("deepfill", False, 12, 4, 32, 12 * 6 * 4),
        ("deepfill", True, 12, 4, 32, 12 * 6 * 4),
        ("deepfill", False, 12, 1, 32, 7 * 12),
        ("deepfill", True, 12, 1, 32, 12),
        ("deepfill", False, 12, 4, 32, 4 * 4 * 12),  # who is left; the start, the best and the last
    ]
    assert done.at_most
    how = [one.how for one in done.pictures if isinstance(one, Look)]
    assert how == ["attack", "attack", "attack", "attack", "judge"]


def test_an_evaluation_draws_and_selects(change: Change) -> None:
    entries = ["clean-native", "strict-pgd", "strict-fixed"]
    suite = {"target": "defense", "attacks": entries, "draws": 5, "selection": 3}
    change("attacks", {"suites": {"mine": suite}})
    told = {"name": "mine", "target": "defense"}
    assert looks(work("evaluate", CELL, **told)) == [
        ("deepfill", False, 12, 1, 32, 12 * (8 + 8 + 1)),
    ]
    still = replace(CELL, ablation="no_transform")
    assert looks(work("evaluate", still, **told))[0][-1] == 12 * (2 + 2 + 1)


@pytest.mark.parametrize("preset", ["paper", "native"])
@pytest.mark.parametrize("row", ["rt2-atop", "undefended"])
def test_the_stronger_strict_attacks_take_no_more_than_the_others(preset: str, row: str) -> None:
    made = table("strict", presets.get(preset))
    cell = made.cell(made.row(row))
    assert cell
    taken = {True: 0, False: 0}
    for step in {
        one.file: one for one in steps.of_record(preset, cell, "strict", "defense")
    }.values():
        if step.kind == "attacks":
            for one, count in step.workload().pictures.items():
                assert isinstance(one, Look)
                # A gradient is a way there and about two back.
                taken[step.name in STRONGER] += (3 if one.gradient else 1) * count
    assert 0 < taken[True] <= taken[False]


def test_a_chain_is_made_in_order_and_once() -> None:
    made = table("table2", presets.get("native"))
    found = [one for one in plan.of_tables([made, made]) if one.kind == "attacks"]
    chain = [one.name for one in found if one.cell == found[0].cell]
    ends = ["-1", "-2", "-3", ""]
    assert chain[:4] == [f"aa-linf-standard{end}" for end in ends]
    assert len(found) == len({one.file for one in found})


@pytest.mark.parametrize("one", [LOOK, TRAINING, replace(TRAINING, cell=CELL.base)])
def test_names_and_seeds_do_not_matter(one: Pass) -> None:
    other = replace(one, cell=replace(one.cell, seed=7, init="places2"))
    assert other.key == one.key


def test_fine_tuning_on_clean_pictures_is_another_pass() -> None:
    assert replace(TRAINING, cell=replace(CELL, finetune="clean")).key != TRAINING.key
    more = replace(CELL, finetune="continued").weights  # as L_org, for longer
    assert replace(TRAINING, cell=more).key == replace(TRAINING, cell=CELL.base).key


@pytest.mark.parametrize(
    "changes",
    [
        {"pixels": 48}, {"batch": 64}, {"draws": 2}, {"gradient": True}, {"through": "bpda"},
        {"cell": replace(CELL, transform="rt1")}, {"cell": replace(CELL, purifier="dmae")},
        {"cell": CELL.bare},
    ],
    ids=lambda one: next(iter(one)),
)  # fmt: skip
def test_looks_that_differ(changes: dict[str, Any]) -> None:
    assert replace(LOOK, **changes).key != LOOK.key


FAST = {"precision": "bfloat16", "channels_last": True}


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("presets/smoke", {"sizes": {"purifier": 64}}),
        ("presets/smoke", {"purifiers": {"deepfill": {"options": {"width": 16}}}}),
        ("presets/smoke", {"compute": {"attack": FAST, "train": FAST}}),
        ("transforms", {"rt2": {"grid": 4}}),
        ("classifiers", {"resnet_small": {"options": {"width": 8}}}),
        ("datasets", {"cifar10_slice": {"classes": 11}}),
    ],
    ids=["sizes", "purifier", "compute", "transform", "classifier", "classes"],
)
def test_settings_that_shape_the_speed_make_another_pass(
    change: Change, file: str, changes: dict[str, Any]
) -> None:
    several = replace(LOOK, how="attack"), replace(LOOK, how="judge"), TRAINING
    before = [one.key for one in several]
    change(file, changes)
    assert not set(before) & {one.key for one in several}


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("presets/smoke", {"stages": {"atop": {"batch": 8}}}),
        ("presets/smoke", {"stages": {"atop": {"parts": 2}}}),
        ("presets/smoke", {"purifiers": {"deepfill": {"loss": {"discriminator_width": 16}}}}),
        ("presets/smoke", {"recipe": {"gan": "full"}}),
        ("presets/smoke", {"recipe": {"attack_target": "defense"}}),
        ("recipes", {"paper": {"attack_target": "defense"}}),
        ("attacks", {"attacks": {"fgsm": {"eot": 2}}}),
        ("datasets", {"cifar10_slice": {"pixels": 48}}),
    ],
    ids=["batch", "parts", "loss", "gan", "target", "recipe", "against", "data"],
)
def test_settings_of_training_make_another_pass(
    change: Change, file: str, changes: dict[str, Any]
) -> None:
    before = TRAINING.key
    change(file, changes)
    assert TRAINING.key != before


def test_budgets_that_change_no_speed_are_the_same_pass(change: Change) -> None:
    before = TRAINING.key
    change("presets/smoke", {"stages": {"atop": {"images": 64, "lr": 1.0e-5}}})
    change("recipes", {"paper": {"ce_weight": 0.5}})
    assert TRAINING.key == before


def test_evaluation_runs_in_float32_and_a_judge_too() -> None:
    paper = replace(LOOK, preset="paper", cell=replace(CELL, dataset="cifar10"))
    attack, judge = (replace(paper, how=how).compute for how in ("attack", "judge"))
    assert attack == presets.get("paper").execution("attack")
    assert judge == {**attack, "precision": "float32"}
    assert paper.compute == {}
    assert replace(paper, how="train").compute == presets.get("paper").execution("train")


def test_passes_are_told_in_words() -> None:
    assert LOOK.words == "logits of rt2, deepfill, resnet_small at 32 pixels: 128 pictures"
    few = replace(LOOK, cell=CELL.bare, gradient=True, draws=20, batch=8)
    assert few.words == "gradient of resnet_small at 32 pixels: 8 pictures, 20 draws"
    assert TRAINING.words == "training (AToP) of rt2, deepfill, resnet_small: 16 pictures"
    base = replace(TRAINING, cell=replace(CELL, classifier=ANY, finetune="none"))
    assert base.words == "training (L_org) of rt2, deepfill: 16 pictures"
