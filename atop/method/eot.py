"""Looking at a target that draws at random: expectations over its draws, as many a pass as fit."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from atop.core.execution import FLOAT32, Compute
from atop.core.memory import halving
from atop.core.randomness import Randomness
from atop.method.attack import Loss, Target


class Victim:
    """A target as the suite attacks it: with a meter, and with what fits into one pass.

    Args:
        network: the target itself.
        rows: pictures that one pass may hold, as far as is known; memory that runs out halves it.
        random: whether draws differ; where they do not, one serves as well as twenty.
        compute: how it is run.

    Attributes:
        pictures: how many pictures it has classified so far, draws counted.
    """

    def __init__(
        self, network: Target, *, rows: int, random: bool = True, compute: Compute = FLOAT32
    ) -> None:
        self.network, self.rows, self.random, self.compute = network, rows, random, compute
        self.pictures = 0

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Logits of the target."""
        self.pictures += len(x)
        return self.compute.run(self.network, x, randomness)


class Slope(NamedTuple):
    """What an attack learns from one look at its target, each averaged over the draws.

    Attributes:
        gradient: of the loss by the variable, in its shape.
        loss: (B,).
        logits: (B, classes).
    """

    gradient: Tensor
    loss: Tensor
    logits: Tensor


def _as_it_is(variable: Tensor) -> Tensor:
    return variable


def slope(
    target: Target,
    variable: Tensor,
    y: Tensor,
    loss: Loss,
    randomness: Randomness,
    *,
    eot: int,
    picture: Callable[[Tensor], Tensor] = _as_it_is,
) -> Slope:
    """Gradient of each example's expected loss over `eot` draws (Athalye et al., 2018b).

    The draws are randomness.draw * eot + 0, 1, ..., so that successive draws share none.

    Args:
        target: what is differentiated.
        variable: (B, ...), what the attack moves.
        y: (B,) labels.
        loss: what is averaged.
        randomness: names the first draw.
        eot: how many draws.
        picture: variable -> x (B, 3, H, W).
    """

    def look(victim: Victim, draws: Randomness, count: int) -> tuple[Tensor, ...]:
        moved = variable.detach().requires_grad_(True)
        logits = victim(repeat(picture(moved), count), draws)
        losses = loss(logits, repeat(y, count))
        (gradient,) = torch.autograd.grad(losses.sum(), moved)
        return gradient, _sum(losses.detach(), count), _sum(logits.detach(), count)

    return Slope(*expectation(look, target, len(y), randomness, eot))


def slope_of_mean(
    target: Target,
    x: Tensor,
    y: Tensor,
    loss: Loss,
    randomness: Randomness,
    *,
    eot: int,
    averaged: Callable[[Tensor], Tensor] = _as_it_is,
) -> Slope:
    """Gradient of the loss of an expectation, by the chain rule in two looks at each draw.

    Args:
        target: what is differentiated.
        x: (B, 3, H, W).
        y: (B,) labels.
        loss: of what is averaged.
        randomness: names the first draw.
        eot: how many draws.
        averaged: of the logits (B, classes), what the draws' mean is of; the logits themselves.
    """
    mean = _expected(averaged, target, x, randomness, eot=eot).requires_grad_(True)
    value = loss(mean, y)
    (weights,) = torch.autograd.grad(value.sum(), mean)

    def linear(logits: Tensor, labels: Tensor) -> Tensor:
        return (averaged(logits) * weights.repeat(len(logits) // len(weights), 1)).sum(1)

    found = slope(target, x, y, linear, randomness, eot=eot)
    return found._replace(loss=value.detach())


def expected_logits(target: Target, x: Tensor, randomness: Randomness, *, eot: int) -> Tensor:
    """(B, classes) logits averaged over the draws that `slope` would take."""
    return _expected(_as_it_is, target, x, randomness, eot=eot)


@torch.no_grad()
def expected_loss(
    target: Target, x: Tensor, y: Tensor, loss: Loss, randomness: Randomness, *, eot: int
) -> Tensor:
    """(B,) losses averaged over the draws that `slope` would take."""

    def look(victim: Victim, draws: Randomness, count: int) -> tuple[Tensor, ...]:
        return (_sum(loss(victim(repeat(x, count), draws), repeat(y, count)), count),)

    return expectation(look, target, len(x), randomness, eot)[0]


@torch.no_grad()
def _expected(
    averaged: Callable[[Tensor], Tensor],
    target: Target,
    x: Tensor,
    randomness: Randomness,
    *,
    eot: int,
) -> Tensor:
    """Mean over the draws of something of the logits."""

    def look(victim: Victim, draws: Randomness, count: int) -> tuple[Tensor, ...]:
        return (_sum(averaged(victim(repeat(x, count), draws)), count),)

    return expectation(look, target, len(x), randomness, eot)[0]


Look = Callable[[Victim, Randomness, int], tuple[Tensor, ...]]
"""(victim, randomness of `count` draws of all examples one after the other, count) -> tensors."""


def expectation(
    look: Look, target: Target, size: int, randomness: Randomness, eot: int
) -> tuple[Tensor, ...]:
    """Averages over `eot` draws of what `look` sums over some of them, at once.

    Args:
        look: what it returns are sums over its draws.
        target: what is looked at.
        size: how many examples.
        randomness: names the first draw.
        eot: how many draws.
    """
    victim = target if isinstance(target, Victim) else Victim(target, rows=size)
    sums: tuple[Tensor, ...] = ()
    for seen in passes(look, victim, size, randomness, eot):
        sums = tuple(a + b for a, b in zip(sums, seen, strict=True)) if sums else seen
    return tuple(total / (eot if victim.random else 1) for total in sums)


def passes(
    look: Look, victim: Victim, size: int, randomness: Randomness, eot: int
) -> Iterator[tuple[Tensor, ...]]:
    """What `look` returns, pass after pass, until it was at `eot` draws.

    As many draws as fit ride in one batch. When memory runs out, the rest go on with half as many,
    and what was seen so far is kept; torch.OutOfMemoryError if not even one draw fits.
    """
    draw = first = int(randomness.draw) * eot
    last = first + (eot if victim.random else 1)

    def at_once(count: int) -> tuple[tuple[Tensor, ...], int]:
        if count < most:
            victim.rows = count * size  # what fits is remembered
        return look(victim, randomness.draws(draw, count), count), count

    while draw < last:
        most = max(1, min(last - draw, victim.rows // size))
        seen, count = halving(at_once, most)
        yield seen
        draw += count


def repeat(values: Tensor, count: int) -> Tensor:
    """`count` copies one after the other, as Randomness.draws orders them."""
    return values if count == 1 else values.repeat(count, *(1 for _ in values.shape[1:]))


def _sum(values: Tensor, count: int) -> Tensor:
    """Sums over such copies."""
    return values.reshape(count, -1, *values.shape[1:]).sum(0)
