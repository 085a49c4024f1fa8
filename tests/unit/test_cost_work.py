"""Workloads of stages, counted by hand; which settings make two operations one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from atop.data.dataset import Dataset
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.dataset_sizes import size_of
from atop.experiment.stages import plan
from atop.experiment.stages.attack import Attack
from atop.experiment.stages.evaluation import Evaluate
from atop.experiment.stages.finetuning import finetuning
from atop.experiment.stages.training import TrainClassifier
from atop.experiment.tables import table
from atop.experiment.workload import Operation, Query, StageWorkload, TrainingStep

CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
TUNED = replace(CELL, purifier="identity", init="none", finetune="classifier")
STRONGER = {
    "strict-pgd-decay", "strict-pgd-targeted", "strict-features", "strict-pgd-majority",
    "strict-pgd-all", "strict-square-clean",
}  # fmt: skip
"""Of suite strict, what came after its first edition, which may cost as much again."""
Change = Callable[[str, dict[str, Any]], None]


def query(**changes: Any) -> Query:
    """Logits of the cell, changed."""
    plain: dict[str, Any] = {
        "preset": presets.get("smoke"), "cell": CELL, "pixels": 32, "batch": 128, "draws": 1,
        "gradient": False, "mode": "evaluate",
    }  # fmt: skip
    return Query(**{**plain, **changes})


def step(cell: Cell = CELL) -> TrainingStep:
    """The steps of a fine-tuning."""
    (found,) = (one for one in tuned(cell).images if isinstance(one, TrainingStep))
    return found


def tuned(cell: Cell) -> StageWorkload:
    return finetuning(presets.get("smoke"), cell).workload()


def queries(work: StageWorkload) -> list[tuple[str, bool, int, int, int, int]]:
    """Purifier, gradient, batch, draws, pixels, and number of images."""
    return [
        (one.cell.purifier, one.gradient, one.batch, one.draws, one.pixels, count)
        for one, count in work.images.items()
        if isinstance(one, Query)
    ]


def trained(work: StageWorkload) -> int:
    (count,) = (count for one, count in work.images.items() if isinstance(one, TrainingStep))
    return count


def test_atop_has_its_images_and_its_curve() -> None:
    done = tuned(CELL)
    assert trained(done) == 3072
    assert queries(done) == [
        ("deepfill", False, 64, 1, 32, 64 * 3 * 6),  # three sets at five points and before
        ("identity", True, 64, 1, 32, 64 * (1 + 20)),  # which FGSM and PGD-20 make
    ]
    assert not done.at_most
    assert done.memory == 2128 * 32 * 32 * 3


def test_l_org_knows_no_classifier_and_has_no_curve() -> None:
    done = tuned(CELL.base)
    assert trained(done) == 1024
    assert queries(done) == []


def test_whole_batches_are_trained_on(change: Change) -> None:
    change("presets/smoke", {"stages": {"l_org": {"images": 1000, "batch": 300}}})
    assert trained(tuned(CELL.base)) == 900


def test_epochs_are_of_what_is_not_held_out(change: Change) -> None:
    assert trained(tuned(TUNED)) == 2000 // 64 * 64
    bare = Cell(dataset="cifar10", classifier="resnet18")
    change("presets/paper", {"stages": {"classifier": {"epochs": 30, "batch": 128}}})
    done = TrainClassifier(preset=presets.get("paper"), cell=bare).workload()
    assert trained(done) == 30 * ((50_000 - 512) // 128) * 128
    batch = presets.get("paper").settings.evaluation.batch
    assert queries(done) == [("identity", False, batch, 1, 256, 10_000)]  # its accuracy in the end


def test_a_slice_has_the_size_that_it_has(cifar_slice: Dataset) -> None:
    found = size_of("cifar10_slice")
    splits = cifar_slice.train, cifar_slice.validation, cifar_slice.test
    assert found[:3] == tuple(map(len, splits))
    assert found.bytes == 32 * 32 * 3
    assert found.disk == found.bytes * (2000 + 128 + 512)


def test_an_attack_stores_its_set() -> None:
    done = Attack(preset=presets.get("smoke"), cell=CELL.bare, attack="pgd-20").workload()
    assert queries(done) == [("identity", True, 128, 1, 32, 20 * 256)]
    assert done.disk == 256 * 3 * 32 * 32 * 4
    assert not done.at_most


def test_the_grey_box_of_preset_paper_takes_the_whole_test_set() -> None:
    cell = replace(CELL, dataset="cifar10", classifier="resnet18", init="places2")
    paper = presets.get("paper")
    made = Attack(preset=paper, cell=cell.bare, attack="pgd-20").workload()
    assert sum(made.images.values()) == 20 * 10_000
    assert (made.disk, made.memory) == (10_000 * 3 * 256 * 256 * 4, 0)  # no device holds them all
    for target, n in (("classifier", 10_000), ("defense", 512)):
        done = Evaluate(preset=paper, cell=cell, suite="table7", target=target).workload()
        assert (sum(done.images.values()), done.memory) == (6 * n, 0)


def test_judges_and_checks_make_queries_too() -> None:
    # 12 images, APGD with 5 steps and EOT 4.
    done = Attack(preset=presets.get("smoke"), cell=CELL, attack="aa-linf-rand").workload()
    assert queries(done) == [
        ("deepfill", False, 12, 4, 32, 12 * 6 * 4),
        ("deepfill", True, 12, 4, 32, 12 * 6 * 4),
        ("deepfill", False, 12, 1, 32, 7 * 12),
        ("deepfill", True, 12, 1, 32, 12),
        ("deepfill", False, 12, 4, 32, 4 * 4 * 12),  # who is left; the start, the best and the last
    ]
    assert done.at_most
    modes = [one.mode for one in done.images if isinstance(one, Query)]
    assert modes == ["attack", "attack", "attack", "attack", "judge"]


def test_an_evaluation_draws_and_selects(change: Change) -> None:
    entries = ["clean-native", "strict-pgd", "strict-fixed"]
    suite = {"target": "defense", "attacks": entries, "draws": 5, "selection": 3}
    change("attacks", {"suites": {"mine": suite}})
    still = replace(CELL, ablation="no_transform")
    for cell, draws in ((CELL, 8 + 8 + 1), (still, 2 + 2 + 1)):
        stage = Evaluate(preset=presets.get("smoke"), cell=cell, suite="mine", target="defense")
        assert queries(stage.workload()) == [("deepfill", False, 12, 1, 32, 12 * draws)]


@pytest.mark.parametrize("preset", ["paper", "native"])
@pytest.mark.parametrize("row", ["rt2-atop", "undefended"])
def test_the_stronger_strict_attacks_take_no_more_than_the_others(preset: str, row: str) -> None:
    made = table("strict", presets.get(preset))
    cell = made.cell(made.row(row))
    assert cell
    taken = {True: 0, False: 0}
    record = Evaluate(preset=made.preset, cell=cell, suite="strict", target="defense")
    for stage in {one.file: one for one in record.chain()}.values():
        if isinstance(stage, Attack):
            for one, count in stage.workload().images.items():
                assert isinstance(one, Query)
                # A gradient is a forward pass and about two back.
                taken[stage.attack in STRONGER] += (3 if one.gradient else 1) * count
    assert 0 < taken[True] <= taken[False]


def test_a_chain_is_made_in_order_and_once() -> None:
    made = table("table2", presets.get("native"))
    found = [one for one in plan.of_tables([made, made]) if isinstance(one, Attack)]
    chain = [one.attack for one in found if one.cell == found[0].cell]
    ends = ["-1", "-2", "-3", ""]
    assert chain[:4] == [f"aa-linf-standard{end}" for end in ends]
    assert len(found) == len({one.file for one in found})


@pytest.mark.parametrize("one", [query(), step(), step(CELL.base)], ids=str)
def test_names_and_seeds_do_not_matter(one: Operation) -> None:
    other = replace(one, cell=replace(one.cell, seed=7, init="places2"))
    assert other.key == one.key


def test_fine_tuning_on_clean_images_is_another_operation() -> None:
    assert step(replace(CELL, finetune="clean")).key != step().key
    more = replace(CELL, finetune="continued").weights  # as L_org, for longer
    assert step(more).key == step(CELL.base).key


@pytest.mark.parametrize(
    "changes",
    [
        {"pixels": 48}, {"batch": 64}, {"draws": 2}, {"gradient": True}, {"through": "bpda"},
        {"cell": replace(CELL, transform="rt1")}, {"cell": replace(CELL, purifier="dmae")},
        {"cell": CELL.bare},
    ],
    ids=lambda one: next(iter(one)),
)  # fmt: skip
def test_queries_that_differ(changes: dict[str, Any]) -> None:
    assert query(**changes).key != query().key


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
def test_settings_that_shape_the_speed_make_another_operation(
    change: Change, file: str, changes: dict[str, Any]
) -> None:
    def keys() -> set[str]:
        return {query(mode="attack").key, query(mode="judge").key, step().key}

    before = keys()
    change(file, changes)
    assert not before & keys()


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
def test_settings_of_training_make_another_operation(
    change: Change, file: str, changes: dict[str, Any]
) -> None:
    before = step().key
    change(file, changes)
    assert step().key != before


def test_budgets_that_change_no_speed_are_the_same_operation(change: Change) -> None:
    before = step().key
    change("presets/smoke", {"stages": {"atop": {"images": 64, "lr": 1.0e-5}}})
    change("recipes", {"paper": {"ce_weight": 0.5}})
    assert step().key == before


def test_evaluation_runs_in_float32_and_a_judge_too() -> None:
    paper, cell = presets.get("paper"), replace(CELL, dataset="cifar10")
    attack, judge, evaluate, train = (
        query(preset=paper, cell=cell, mode=mode).compute
        for mode in ("attack", "judge", "evaluate", "train")
    )
    assert attack == paper.execution("attack").given()
    assert judge == {**attack, "precision": "float32"}
    assert evaluate == {}
    assert train == paper.execution("train").given()


def test_operations_in_words() -> None:
    assert str(query()) == "logits of rt2, deepfill, resnet_small at 32 pixels: 128 images"
    few = query(cell=CELL.bare, gradient=True, draws=20, batch=8)
    assert str(few) == "gradient of resnet_small at 32 pixels: 8 images, 20 draws"
    assert str(step()) == "training (AToP) of rt2, deepfill, resnet_small: 16 images"
    assert str(step(CELL.base)) == "training (L_org) of rt2, deepfill: 16 images"
