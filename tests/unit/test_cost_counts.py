"""Queries of attacks, as they are counted beforehand and as real runs classify."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.files import read_json, write_json
from atop.data import embedded
from atop.experiment import attack_workload, config, paths, presets
from atop.experiment.cells import Cell
from atop.experiment.settings.attacks import AttackSpec
from atop.experiment.stages.attack import Attack
from atop.method.attacks import fgsm
from atop.method.workload import Queries
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.datasets import fetch

BARE = Cell(dataset="cifar10_slice", classifier="resnet_small")
CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
STILL = replace(CELL, ablation="no_transform")
N, BATCH, CLASSES = 5, 2, 10
Change = Callable[[str, dict[str, Any]], None]

BALL = {"norm": "Linf", "eps": "8/255"}
FGSM = {"method": "fgsm", **BALL, "eot": 3}
PGD = {"method": "pgd", **BALL, "step_size": "2/255", "steps": 2, "random_start": True, "eot": 3}
STADV = {"method": "stadv", "bound": "0.05", "lr": 0.01, "steps": 2, "eot": 3}
EXACT = {
    "fgsm": FGSM,
    "pgd": PGD,
    "pgd-logits": {**PGD, "average": "logits"},
    "pgd-vote": {**PGD, "average": "probabilities"},
    "pgd-hardest": {**PGD, "average": "hardest"},
    "features": {**PGD, "method": "features", "through": "purified"},
    "targeted": {**PGD, "method": "multi_targeted", "targets": 2, "schedule": "cosine"},
    "pgd-bpda": {**PGD, "through": "bpda"},
    "pgd-fixed": {**PGD, "through": "fixed"},
    "pgd-restarts": {**PGD, "restarts": 2, "judge": 4, "examples": 3},
    "stadv": STADV,
    "noise": {"method": "noise", **BALL},
}
# A ball in which nothing breaks, so that nothing stops early.
AUTO: dict[str, Any] = {
    "method": "autoattack", "version": "judged", "norm": "Linf", "eps": "1/25500",
}  # fmt: skip
APGD = {**AUTO, "steps": 3, "eot": 2}
WHOLE = {
    "apgd-ce": {**APGD, "attack": "apgd-ce"},
    "apgd-dlr": {**APGD, "attack": "apgd-dlr"},
    "apgd-t": {**APGD, "attack": "apgd-t", "targets": 12},
    "fab-t": {**AUTO, "attack": "fab-t", "steps": 2, "targets": 3},
    "square": {**AUTO, "attack": "square", "queries": 4, "rescale": False, "eot": 3},
    "cw": {"method": "cw", "norm": "L2", "c": 1.0, "kappa": 0.0, "lr": 1e-4, "steps": 3, "eot": 2},
    "after": {**PGD, "after": "clean", "judge": 3},
}


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    """The smoke preset with five images in batches of two, its data, and a purifier.

    Their labels are what the bare classifier says, so that it is right on all.
    """
    change("presets/smoke", {"evaluation": {"n": N, "batch": BATCH}})
    fetch("cifar10_slice")
    split, bare = (
        assemble.evaluation_set(presets.get("smoke"), "cifar10_slice"),
        assemble.defense(presets.get("smoke"), BARE),
    )
    about = read_json(paths.dataset("cifar10_slice"))
    said = dict(zip(split.index.tolist(), bare(split.inputs(32)).argmax(1).tolist(), strict=True))
    pairs = zip(about["test"]["index"], about["test"]["labels"], strict=True)
    about["test"]["labels"] = [said.get(index, label) for index, label in pairs]
    write_json(paths.dataset("cifar10_slice"), about)
    network = assemble.purifier(presets.get("smoke"), "deepfill")
    checkpoints.load(network, embedded.FOLDER / "deepfill.safetensors")
    checkpoints.save(paths.purifier(presets.get("smoke"), CELL), network, {})
    return change


def told_and_done(change: Change, cell: Cell, row: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Images that an attack's workload has beforehand, and the metadata of the attack."""
    change("attacks", {"attacks": {"mine": row}})
    stage = Attack(preset=presets.get("smoke"), cell=cell, attack="mine")
    path = make_adversarial(stage, torch.device("cpu"))
    return sum(stage.workload().images.values()), read_json(path.with_suffix(".json"))


@pytest.mark.slow
@pytest.mark.parametrize("cell", [BARE, CELL, STILL], ids=["bare", "random", "deterministic"])
@pytest.mark.parametrize("name", EXACT)
def test_told_is_what_is_classified(small: Change, cell: Cell, name: str) -> None:
    told, account = told_and_done(small, cell, EXACT[name])
    assert account["classified"] == told


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_told_is_all_that_can_be_classified(small: Change, name: str) -> None:
    told, account = told_and_done(small, BARE, WHOLE[name])
    assert account["attacked"] == N
    assert account["classified"] == told
    spec = AttackSpec(**WHOLE[name])
    method = attack_workload.of_method(spec, random=True, classes=CLASSES)
    assert attack_workload.at_most(spec, method)


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_what_breaks_early_is_classified_less(small: Change, name: str) -> None:
    wide = {"lr": 1.0} if name == "cw" else {"eps": "64/255"}
    told, account = told_and_done(small, BARE, {**WHOLE[name], **wide, "judge": 1})
    early = name in ("apgd-t", "fab-t", "square", "cw")  # the others run to their end
    assert (account["classified"] < told) if early else (account["classified"] == told)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["apgd-ce", "apgd-t", "fab-t", "square"])
def test_on_a_random_target_autoattack_does_all_that_is_told(small: Change, name: str) -> None:
    told, account = told_and_done(small, CELL, {**WHOLE[name], "eps": "8/255", "judge": 3})
    assert account["classified"] == told


def test_gated_it_does_less(small: Change) -> None:
    row = {**WHOLE["apgd-ce"], "eps": "8/255", "version": "official", "judge": 3}
    told, account = told_and_done(small, CELL, row)
    assert account["classified"] < told


def test_what_a_random_target_lets_go_is_not_attacked(small: Change) -> None:
    row = {**WHOLE["apgd-ce"], "after": "clean", "judge": 3}
    told, account = told_and_done(small, CELL, row)
    assert 0 < account["classified"] <= told


def test_counts_by_hand() -> None:
    def of(row: dict[str, Any], random: bool) -> list[Queries]:
        spec = AttackSpec(**row)
        return [*attack_workload.of_method(spec, random=random, classes=CLASSES).queries]

    assert of(PGD, True) == [Queries(True, 3, 2)]
    assert of(PGD, False) == [Queries(True, 1, 2)]
    assert of(EXACT["pgd-logits"], True) == [Queries(True, 3, 2), Queries(False, 3, 2)]
    assert of(EXACT["pgd-hardest"], True) == [Queries(False, 3, 2), Queries(True, 1, 2)]
    assert of(EXACT["targeted"], True) == [Queries(False, 3, 1), Queries(True, 3, 2 * 2)]
    assert of(EXACT["features"], False) == [Queries(True, 1, 2), Queries(False, 1, 2)]
    assert of(WHOLE["apgd-t"], True) == [Queries(False, 2, 1 + 9 * 4), Queries(True, 2, 9 * 4)]
    assert of(WHOLE["square"], True) == [Queries(False, 3, 5)]
    gated = {name: {**WHOLE[name], "version": "official"} for name in ("apgd-t", "square")}
    assert of(gated["apgd-t"], True) == [Queries(False, 1, 1 + 9), Queries(True, 1, 9 * 4 * 2)]
    assert of(gated["apgd-t"], False) == of(WHOLE["apgd-t"], False)
    assert of(gated["square"], True) == [Queries(False, 3, 7)]
    assert of({**WHOLE["square"], "queries": 0}, True) == []


def test_every_attack_of_the_suite_is_known() -> None:
    for name in config.attacks().attacks:
        spec = presets.get("paper").attack(name)
        if not spec.clean:
            found = attack_workload.of_method(spec, random=True, classes=CLASSES)
            assert found.queries or spec.method == "noise"


def test_an_attack_that_does_not_say_what_it_takes_is_named(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    change("attacks", {"attacks": {"mine": {"method": "fgsm", **BALL, "eot": 1}}})
    stage = Attack(preset=presets.get("smoke"), cell=BARE, attack="mine")
    assert stage.workload().images
    monkeypatch.delattr(fgsm, "workload")
    with pytest.raises(AtopError, match=r"fgsm\.py: no function workload, so its cost is"):
        stage.workload()
