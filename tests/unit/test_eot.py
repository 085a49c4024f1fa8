"""Gradients of random targets: averaged over draws of their own, in passes that fit."""

from typing import Any

import pytest
import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.attack import cross_entropy, margin
from atop.method.attacks import pgd
from atop.method.eot import BatchedTarget, eot_gradient, gradient_of_mean


def test_gradient_is_the_mean_over_draws_that_nobody_else_uses() -> None:
    def target(x: Tensor, randomness: Randomness) -> Tensor:
        return x.flatten(1) * randomness.normal((12,), "weights")

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return logits.sum(1) * labels

    start = Randomness(0, "attack", torch.arange(2), draw=3)
    x, labels = torch.zeros(2, 3, 2, 2), torch.tensor([1, 2])
    drawn = torch.stack([start.at(k).normal((12,), "weights") for k in range(12, 16)])
    expected = drawn.mean(0) * labels[:, None]
    for rows in (2, 4, 6, 8, 100):  # one, two, three and all draws a pass
        found = eot_gradient(BatchedTarget(target, rows=rows), x, labels, loss, start, eot=4)
        torch.testing.assert_close(found.gradient.flatten(1), expected)
        assert found.loss.shape == (2,)
        torch.testing.assert_close(found.logits, torch.zeros(2, 12))


def test_memory_that_runs_out_halves_the_draws_of_a_pass_and_loses_none() -> None:
    asked: list[int] = []
    drawn: list[int] = []

    def target(x: Tensor, randomness: Randomness) -> Tensor:
        asked.append(len(x))
        if len(x) > 6:
            raise torch.OutOfMemoryError
        drawn.extend(torch.as_tensor(randomness.draw).expand(len(x))[::2].tolist())
        return x.flatten(1)

    start = Randomness(0, "attack", torch.arange(2))
    x, labels = torch.rand(2, 3, 2, 2), torch.tensor([1, 2])
    batched = BatchedTarget(target, rows=1 << 30)
    found = eot_gradient(batched, x, labels, lambda logits, _: logits.sum(1), start, eot=10)
    assert asked == [20, 10, 4, 4, 4, 4, 4]
    assert drawn == list(range(10))
    torch.testing.assert_close(found.gradient, torch.ones_like(x))
    eot_gradient(batched, x, labels, lambda logits, _: logits.sum(1), start, eot=2)
    assert asked[-1] == 4  # what fits is remembered

    def full(x: Tensor, randomness: Randomness) -> Tensor:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        eot_gradient(full, x, labels, margin, start, eot=3)


def test_a_target_that_does_not_draw_is_looked_at_once() -> None:
    x, labels = torch.rand(2, 3, 2, 2), torch.tensor([1, 2])
    start = Randomness(0, "attack", torch.arange(2))
    for random, looks in ((False, 1), (True, 20)):
        batched = BatchedTarget(lambda x, _: x.flatten(1), rows=2, random=random)
        found = eot_gradient(batched, x, labels, margin, start, eot=20)
        assert batched.image_count == 2 * looks
        torch.testing.assert_close(found.logits, x.flatten(1))


def test_pgd_can_take_the_loss_of_the_mean_logits() -> None:
    def target(x: Tensor, randomness: Randomness) -> Tensor:
        return (x.flatten(1) + randomness.normal((12,), "noise")) ** 3

    start = Randomness(0, "attack", torch.arange(2), draw=1)
    x, labels = torch.rand(2, 3, 2, 2), torch.tensor([1, 2])
    leaf = x.clone().requires_grad_(True)
    logits = torch.stack([target(leaf, start.at(k)) for k in range(3, 6)]).mean(0)
    (expected,) = torch.autograd.grad(cross_entropy(logits, labels).sum(), leaf)
    for rows in (2, 4, 100):
        batched = BatchedTarget(target, rows=rows)
        found = gradient_of_mean(batched, x, labels, cross_entropy, start, eot=3)
        torch.testing.assert_close(found.gradient, expected)
    budget: dict[str, Any] = {"norm": "L2", "eps": "1", "step_size": "0.1", "steps": 1, "eot": 3}
    attack = pgd.build(average="logits", random_start=False, **budget)
    moved = attack(target, x, labels, start)
    towards = (moved - x).flatten(1)
    cosine = torch.nn.functional.cosine_similarity(towards, expected.flatten(1))
    clipped = ((moved == 0) | (moved == 1)).flatten(1).any(1)
    torch.testing.assert_close(cosine[~clipped], torch.ones_like(cosine)[~clipped])
    assert not clipped.all()
