"""Adversarial sets: how they are made, chained, stored, and what their metadata says."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.small_evaluation import (
    APGD,
    BARE,
    CELL,
    CPU,
    PLACES,
    ROW,
    Change,
    N,
    margin_of,
    prepare,
)
from torch import Tensor

from atop.core.errors import AtopError
from atop.core.files import read_json, sha256
from atop.core.randomness import Randomness
from atop.data.dataset import Split
from atop.experiment import paths, presets
from atop.experiment.stages.attack import Attack
from atop.method.attack import Target
from atop.pipeline import assemble
from atop.pipeline.attacking import adversarial_sets, runner
from atop.pipeline.attacking.adversarial_sets import make_adversarial


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


def test_an_adversarial_set_is_stored_as_it_was_made(small: Change) -> None:
    path = make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    stored = load_file(path)
    assert stored["images"].dtype == torch.float32
    assert stored["index"].tolist() == PLACES
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    attack, target = (
        assemble.attack(presets.get("smoke"), "pgd-10"),
        assemble.defense(presets.get("smoke"), BARE),
    )
    made = []
    for part in (split.take(slice(0, 8)), split.take(slice(8, N))):
        draw = Randomness(0, "attack:pgd-10", part.index)
        made.append(attack(target, part.inputs(32), part.labels, draw))
    assert torch.equal(stored["images"], torch.cat(made))
    levels = stored["images"] * 255
    assert ((levels - levels.round()).abs() > 0.01).float().mean() > 0.1  # bytes would change it
    account = read_json(path.with_suffix(".json"))
    assert account["victim"]["id"] == BARE.id
    assert account["budget"] == presets.get("smoke").attack("pgd-10").given()


def test_a_set_made_from_other_images_is_refused(small: Change) -> None:
    path = make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    other = Split(torch.zeros(N, 32, 32, 3), torch.zeros(N), torch.tensor(PLACES[::-1]))
    with pytest.raises(AtopError, match=f"{path}: made from other test images; delete it"):
        adversarial_sets.load_adversarial(path, other)
    with pytest.raises(AtopError, match="made from other test images"):
        adversarial_sets.load_adversarial(path, other.take(slice(0, 3)))


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_an_attack_that_leaves_the_range_is_an_error(images: Split, value: float) -> None:
    class Bad:
        def __call__(self, target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
            bad = x.clone()
            bad[3, 2, 1, 0] = value
            return bad

    x, draw = images.inputs(32), Randomness(0, "attack", images.index)
    with pytest.raises(AtopError, match=r"Bad: made images that are not inside \[0, 1\]"):
        runner.candidates(Bad(), lambda x, _: x, x, images.labels, draw)


def test_an_attack_goes_on_from_what_another_one_left(small: Change) -> None:
    rows = {"first": ROW, "second": {**ROW, "steps": 5, "after": "first"}}
    small("attacks", {"attacks": rows})
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    first = load_file(
        make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="first"), CPU)
    )["images"]
    path = make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="second"), CPU)
    second, account = load_file(path)["images"], read_json(path.with_suffix(".json"))
    defense = assemble.defense(presets.get("smoke"), BARE)
    left = defense(first).argmax(1) == split.labels
    assert 0 < left.sum() < N
    assert account["attacked"] == int(left.sum())
    assert account["after_sha256"] == sha256(paths.adversarial(presets.get("smoke"), BARE, "first"))
    assert torch.equal(second[~left], first[~left])
    moved = (second != first).flatten(1).any(1)
    assert moved.any()
    margins = [margin_of(defense(images), split.labels) for images in (first, second)]
    assert (margins[1][moved] < margins[0][moved]).all()  # a candidate is kept if it is worse
    assert (margins[1] <= margins[0]).all()


def test_a_chain_that_starts_from_clean_leaves_out_what_is_misclassified(small: Change) -> None:
    small("attacks", {"attacks": {"mine": {**ROW, "after": "clean"}}})
    path = make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    right = assemble.defense(presets.get("smoke"), BARE)(split.inputs(32)).argmax(1) == split.labels
    assert 0 < right.sum() < N
    moved = (load_file(path)["images"] != split.inputs(32)).flatten(1).any(1)
    assert not moved[~right].any()
    assert read_json(path.with_suffix(".json"))["attacked"] == int(right.sum())


def test_what_an_attack_took_is_counted(small: Change) -> None:
    small("attacks", {"attacks": {"mine": {**ROW, "eot": 3}}})
    for cell, each in ((BARE, 2), (CELL, 2 * 3)):  # draws of the bare classifier do not differ
        path = make_adversarial(Attack(preset=presets.get("smoke"), cell=cell, attack="mine"), CPU)
        assert read_json(path.with_suffix(".json"))["classified"] == N * each


def test_where_nothing_is_left_nothing_is_attacked(small: Change) -> None:
    rows = {"hard": {**ROW, "steps": 20}, "idle": {**ROW, "after": "hard"}}
    small("attacks", {"attacks": rows})
    hard = make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="hard"), CPU)
    idle = make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="idle"), CPU)
    assert read_json(idle.with_suffix(".json"))["attacked"] == 0
    assert torch.equal(load_file(idle)["images"], load_file(hard)["images"])


def test_the_librarys_objections_stand_in_the_account(small: Change) -> None:
    small("attacks", {"attacks": {"mine": {**APGD, "examples": 4}, "other": ROW}})
    accounts = {
        cell: read_json(
            make_adversarial(
                Attack(preset=presets.get("smoke"), cell=cell, attack="mine"), CPU
            ).with_suffix(".json")
        )
        for cell in (BARE, CELL)
    }
    assert accounts[BARE]["flags"] == []
    (flag,) = accounts[CELL]["flags"]
    assert "randomized defense" in flag
    other = make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="other"), CPU)
    assert read_json(other.with_suffix(".json"))["flags"] == []
