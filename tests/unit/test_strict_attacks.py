"""The stronger attacks of the strict suite, each on a target made to withstand plain PGD."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.parts import random_transform
from torch import Tensor, nn

from atop.core.errors import AtopError
from atop.core.randomness import Randomness
from atop.method import attack as _base
from atop.method.attacks._gradients import (
    gradient_of_hardest_draw,
    gradient_of_shift,
    gradient_of_vote,
)
from atop.method.attacks.multi_targeted import likeliest_wrong
from atop.method.defense import Defense, Sizes
from atop.method.eot import BatchedTarget
from atop.method.purifiers.identity import Identity
from atop.method.registry import build
from atop.method.surrogates import SURROGATES

N, SIDE = 4, 8
EPS = 8 / 255
BALL = {"norm": "Linf", "eps": "8/255"}
PGD: dict[str, Any] = {**BALL, "step_size": "2/255", "steps": 12, "random_start": False, "eot": 1}
GREY = torch.full((N, 3, SIDE, SIDE), 0.5, dtype=torch.float64)
Y = torch.zeros(N, dtype=torch.int64)
DRAW = Randomness(0, "attack", torch.arange(N))
Logits = Callable[[Tensor, Randomness], Tensor]


def side(x: Tensor) -> Tensor:
    """(B,) how far images are from grey, in [-1/2, 1/2] over the ball."""
    return (x - 0.5).mean(dim=(1, 2, 3)) / (2 * EPS)


def two(margin: Tensor) -> Tensor:
    """Logits of two classes, the first of which is the true one; wrong where `margin` > 0."""
    return torch.stack((torch.zeros_like(margin), margin), 1)


def correct(target: Logits, x: Tensor, draws: int = 200) -> Tensor:
    """(draws, B) which images are classified correctly."""
    judge = Randomness(0, "judge", DRAW.index)
    return torch.stack([target(x, judge.at(k)).argmax(1) == Y for k in range(draws)])


def attacked(target: Logits, method: str = "pgd", **changes: Any) -> Tensor:
    """Images that an attack of PGD's budget makes of grey ones."""
    images: Tensor = build("attacks", method, **{**PGD, **changes})(target, GREY, Y, DRAW)
    assert (images - GREY).abs().max() <= EPS + 1e-12
    return images


def rare(randomness: Randomness, share: float) -> Tensor:
    """(B,) a share of draws."""
    return randomness.uniform((1,), "kind")[:, 0] < share


def test_a_decaying_step_ends_where_a_constant_one_jumps_about() -> None:
    goal = GREY + 0.37 * EPS * (DRAW.uniform((3, SIDE, SIDE), "goal") - 0.5).sign()

    def target(x: Tensor, randomness: Randomness) -> Tensor:
        return two(1 - ((x - goal) / EPS).square().mean(dim=(1, 2, 3)) * 400)

    large = {"step_size": "4/255"}
    assert correct(target, attacked(target, **large)).all()
    assert not correct(target, attacked(target, **large, schedule="cosine")).any()


def test_a_round_for_each_class_finds_the_one_behind_a_nearer_dead_end() -> None:
    def target(x: Tensor, randomness: Randomness) -> Tensor:
        near, far = 0.1 * torch.tanh(40 * side(x)) - 0.2, -8 * side(x) - 3
        return torch.stack((torch.zeros_like(near), near, far), 1)

    for loss in _base.LOSSES:
        assert correct(target, attacked(target, loss=loss)).all()
    assert not correct(target, attacked(target, "multi_targeted", targets=2)).any()
    assert correct(target, attacked(target, "multi_targeted", targets=1)).all()
    attack = build("attacks", "multi_targeted", **{**PGD, "targets": 5})
    rounds = attack.candidates(target, GREY, Y, DRAW)
    assert [bool(correct(target, images).any()) for images in rounds] == [True, False]


def test_rounds_share_no_draw() -> None:
    asked: list[int] = []

    def target(x: Tensor, randomness: Randomness) -> Tensor:
        asked.append(int(randomness.draw))
        return two(side(x))

    attacked(target, "multi_targeted", targets=1, steps=3, eot=2)
    assert asked == list(range(2 * (1 + 3 + 1)))  # which class, a round, and how it ended


def test_the_likeliest_wrong_classes_come_first() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0, 4.0], [0.0, 5.0, 1.0, 1.0]])
    assert likeliest_wrong(logits, torch.tensor([3, 1])).tolist() == [[0, 2, 1], [2, 3, 0]]


def test_the_loss_of_the_mean_probabilities_wins_the_vote() -> None:
    def target(x: Tensor, randomness: Randomness) -> Tensor:
        """Three draws in ten are lost already, and hold the expected loss."""
        lost = rare(randomness, 0.3)
        return two(torch.where(lost, 8 + 10 * side(x), -1 - 4 * side(x)))

    def votes(**changes: Any) -> Tensor:
        share = correct(target, attacked(target, eot=16, **changes)).double().mean(0)
        return share > 0.5

    assert votes().all()
    assert votes(average="logits").all()
    assert not votes(average="probabilities").any()


def test_the_hardest_draw_is_enough_for_whoever_needs_one() -> None:
    def target(x: Tensor, randomness: Randomness) -> Tensor:
        """One draw in five can be won; the others pull the other way and cannot."""
        won = rare(randomness, 0.2)
        return two(torch.where(won, 4 * side(x) - 1, -1.1 - torch.tanh(8 * side(x))))

    for average in ("loss", "logits", "probabilities"):
        assert correct(target, attacked(target, eot=16, average=average)).all(0).all()
    assert not correct(target, attacked(target, eot=16, average="hardest")).all(0).any()


class Wide(nn.Module):
    """Purifies with a slope of four around grey."""

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        return (0.5 + 4 * (corrupted - 0.5)).clamp(0, 1)


class Hard(nn.Module):
    """Tells images near grey from others, without a slope."""

    def forward(self, x: Tensor) -> Tensor:
        return two(((x - 0.5).abs().mean(dim=(1, 2, 3)) - 0.1).sign())


def hidden(purifier: nn.Module | None = None, transform: str = "none") -> Defense:
    return Defense(
        transform=random_transform(transform),
        purifier=purifier or Wide(),
        classifier=Hard(),
        sizes=Sizes(input=SIDE, purifier=SIDE, classifier=SIDE),
    ).double()


def test_features_move_where_labels_have_no_gradient() -> None:
    defense = hidden()
    start = {"random_start": True}
    assert correct(defense, attacked(defense, **start), draws=1).all()
    purified = SURROGATES["purified"](defense)
    assert purified(GREY, DRAW).shape == (N, 3 * SIDE * SIDE)
    assert not correct(defense, attacked(purified, "features", **start), draws=1).any()


@pytest.mark.parametrize("transform", ["none", "rt2"])
def test_features_without_a_purifier_are_what_the_classifier_receives(transform: str) -> None:
    defense = hidden(Identity(), transform)
    purified = SURROGATES["purified"](defense)
    torch.testing.assert_close(purified(GREY, DRAW), defense.purify(GREY, DRAW).flatten(1))
    found = attacked(purified, "features", random_start=True)
    assert (found - GREY).abs().mean() > 0.4 * EPS


def shift(x: Tensor, randomness: Randomness) -> Tensor:
    """Logits that depend on the draw."""
    return (x.flatten(1) + randomness.normal((12,), "noise")) ** 3


@pytest.mark.parametrize("rows", [2, 4, 100])
def test_slopes_are_those_of_what_they_name(rows: int) -> None:
    start, eot = Randomness(0, "attack", torch.arange(2), draw=1), 3
    x, labels = torch.rand(2, 3, 2, 2), torch.tensor([1, 2])
    leaf = x.clone().requires_grad_(True)
    logits = torch.stack([shift(leaf, start.at(k)) for k in range(3, 6)])
    mean = -logits.softmax(2).mean(0).log()[[0, 1], labels]
    (vote,) = torch.autograd.grad(mean.sum(), leaf, retain_graph=True)
    losses = torch.stack([_base.cross_entropy(one, labels) for one in logits])
    (hardest,) = torch.autograd.grad(losses.amax(0).sum(), leaf)
    target = BatchedTarget(shift, rows=rows)
    found = gradient_of_vote(target, x, labels, _base.cross_entropy, start, eot=eot)
    torch.testing.assert_close(found.gradient, vote)
    torch.testing.assert_close(found.loss, mean.detach())
    found = gradient_of_hardest_draw(target, x, labels, _base.cross_entropy, start, eot=eot)
    torch.testing.assert_close(found.gradient, hardest)
    torch.testing.assert_close(found.loss, losses.detach().amax(0))
    moved = (x + 0.1).requires_grad_(True)
    far = [(shift(moved, start.at(k)) - shift(x, start.at(k))).square().sum() for k in range(3, 6)]
    (expected,) = torch.autograd.grad(sum(far) / eot, moved)
    torch.testing.assert_close(gradient_of_shift(target, moved, x, start, eot=eot), expected)


def test_words_that_an_ascent_does_not_know_are_refused() -> None:
    for method, more in (("features", {}), ("multi_targeted", {"targets": 2})):
        with pytest.raises(AtopError, match=f"{method}: no schedule 'steep'; known are constant"):
            build("attacks", method, **PGD, **more, schedule="steep")
