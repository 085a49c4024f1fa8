"""The judge of an attack: which images it attacks, and which candidate each image keeps."""

from pathlib import Path
from typing import Any

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

from atop.core.randomness import Randomness
from atop.experiment import presets
from atop.experiment.stages.attack import Attack
from atop.method.attack import Target
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.attacking.runner import AttackRunner, CandidateScore


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


def test_a_score_counts_right_draws_first_and_margins_second() -> None:
    right, margin = torch.tensor([0.5, 0.5, 0.5, 0.25, 0.75]), torch.tensor([1.0, -1, 0, 9, -9])
    other = CandidateScore(torch.full((5,), 0.5), torch.zeros(5))
    assert CandidateScore(right, margin).below(other).tolist() == [False, True, False, True, False]


def test_the_judge_takes_draws_of_its_own(small: Change) -> None:
    small("attacks", {"attacks": {"mine": {**ROW, "judge": 3}}})
    runner = AttackRunner(Attack(preset=presets.get("smoke"), cell=CELL, attack="mine"), CPU)
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    x, y = split.inputs(32), split.labels
    found = runner.judge(x, y, split.index)
    defense = assemble.defense(presets.get("smoke"), CELL)
    logits = torch.stack(
        [defense(x, Randomness(0, "judge:mine", split.index, draw)) for draw in range(3)]
    )
    right = (logits.argmax(2) == y).float().mean(0)
    torch.testing.assert_close(found.correct, right)
    assert ((right > 0) & (right < 1)).any()  # draws differ
    margins = torch.stack([margin_of(one, y) for one in logits]).mean(0)
    torch.testing.assert_close(found.margin, margins, rtol=1e-4, atol=1e-4)


def test_no_lucky_draw_takes_an_example_out_of_an_attack(small: Change) -> None:
    rows = {
        "one": {**ROW, "after": "clean", "judge": 1},
        "many": {**ROW, "after": "clean", "judge": 30},
    }
    small("attacks", {"attacks": rows})
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    where = (split.inputs(32), split.labels, split.index)
    one, many = (
        int(
            AttackRunner(Attack(preset=presets.get("smoke"), cell=CELL, attack=name), CPU)
            .remaining(*where)
            .sum()
        )
        for name in rows
    )
    assert one < many


def test_restarts_keep_the_worst_of_several_starts(small: Change) -> None:
    rows = {"once": ROW, "thrice": {**ROW, "restarts": 3}}
    small("attacks", {"attacks": rows})
    once, thrice = (
        load_file(
            make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack=name), CPU)
        )["images"]
        for name in rows
    )
    split, defense = (
        assemble.evaluation_set(presets.get("smoke"), "cifar10_slice"),
        assemble.defense(presets.get("smoke"), BARE),
    )
    assert (
        margin_of(defense(thrice), split.labels)
        <= margin_of(defense(split.inputs(32)), split.labels)
    ).all()
    assert (
        margin_of(defense(thrice), split.labels).mean()
        < margin_of(defense(once), split.labels).mean()
    )


class Several:
    """An attack of three results, of which each example's worst is another one."""

    def __init__(self, found: list[Tensor]) -> None:
        self.found = found

    def candidates(self, target: Target, x: Tensor, y: Tensor, draw: Randomness) -> list[Tensor]:
        where = [PLACES.index(int(one)) for one in draw.index]
        if len(x) > 8:
            raise torch.OutOfMemoryError
        return [one[where] for one in self.found]

    def __call__(self, target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
        raise AssertionError("asked for one result")


def test_of_several_candidates_each_example_keeps_the_worst(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("attacks", {"attacks": {"mine": ROW}})
    split, defense = (
        assemble.evaluation_set(presets.get("smoke"), "cifar10_slice"),
        assemble.defense(presets.get("smoke"), BARE),
    )
    x, y = split.inputs(32), split.labels
    runs = [
        AttackRunner(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)._attempt(
            x, y, split.index, k
        )[0]
        for k in range(3)
    ]
    monkeypatch.setattr(assemble, "attack", lambda *_: Several(runs))
    found = AttackRunner(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU).run(
        x, x, y, split.index
    )
    margins = torch.stack([margin_of(defense(one), y) for one in [x, *runs]])
    right = (margins > 0).float()  # misclassified first, then by margin
    which = (right * 1e6 + margins).argmin(0)
    assert len(which.unique()) > 2
    torch.testing.assert_close(found, torch.stack([x, *runs])[which, torch.arange(N)])


@pytest.mark.parametrize(
    "sub",
    [
        {"attack": "apgd-ce"},
        {"attack": "apgd-t", "targets": 2},
        {"attack": "fab-t", "targets": 2, "eot": ...},
        {"attack": "square", "steps": ..., "queries": 6, "rescale": False},
    ],
    ids=lambda sub: sub["attack"],
)
def test_autoattack_attacks_everybody_whom_the_judge_leaves(
    small: Change, monkeypatch: pytest.MonkeyPatch, sub: dict[str, Any]
) -> None:
    row = {key: value for key, value in {**APGD, **sub}.items() if value is not ...}
    row |= {"after": "clean", "judge": 3}
    small("attacks", {"attacks": {"mine": row, "gated": {**row, "version": "official"}}})
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    x, y = split.inputs(32), split.labels
    runner = AttackRunner(Attack(preset=presets.get("smoke"), cell=CELL, attack="mine"), CPU)
    remaining = runner.remaining(x, y, split.index)
    untouched = {}
    for name in ("mine", "gated"):
        runner = AttackRunner(Attack(preset=presets.get("smoke"), cell=CELL, attack=name), CPU)
        where = remaining.nonzero()[:, 0]
        found = runner._attempt(x[where], y[where], split.index[where], 0)
        still = torch.stack([(one == x[where]).flatten(1).all(1) for one in found])
        untouched[name] = int(still.all(0).sum())
    assert untouched["mine"] == 0
    assert untouched["gated"] > 0
