"""Expectation over transformations: averages over the draws of a target, in batches that fit."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from atop.core.execution import FLOAT32, Compute
from atop.core.memory import halving
from atop.core.randomness import Randomness
from atop.method.attack import Loss, Target


class BatchedTarget:
    """A target with a limit on the images of a forward pass, and a counter of images.

    Args:
        network: the target itself.
        rows: most images per forward pass; halved when memory runs out.
        random: draws differ; if not, one draw replaces all.
        compute: settings of execution.

    Attributes:
        image_count: number of images classified so far, once per draw.
    """

    def __init__(
        self, network: Target, *, rows: int, random: bool = True, compute: Compute = FLOAT32
    ) -> None:
        self.network, self.rows, self.random, self.compute = network, rows, random, compute
        self.image_count = 0

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Return the target's logits."""
        self.image_count += len(x)
        return self.compute.run(self.network, x, randomness)


def batched(target: Target, rows: int) -> BatchedTarget:
    """Return a BatchedTarget; a target without a limit gets `rows`."""
    return target if isinstance(target, BatchedTarget) else BatchedTarget(target, rows=rows)


class EotGradient(NamedTuple):
    """Results of an EOT query, each averaged over the draws.

    Attributes:
        gradient: of the loss with respect to the variable, in its shape.
        loss: (B,).
        logits: (B, classes).
    """

    gradient: Tensor
    loss: Tensor
    logits: Tensor


def _identity(values: Tensor) -> Tensor:
    return values


def eot_gradient(
    target: Target,
    variable: Tensor,
    y: Tensor,
    loss: Loss,
    randomness: Randomness,
    *,
    eot: int,
    to_image: Callable[[Tensor], Tensor] = _identity,
) -> EotGradient:
    """Return the gradient of each example's expected loss over draws (Athalye et al., 2018b).

    It is with respect to `variable` (B, ...), which `to_image` maps to x (B, 3, H, W). The draws
    are randomness.draw * eot + 0, 1, ..., so that successive calls share none.
    """

    def query(target: BatchedTarget, draws: Randomness, count: int) -> tuple[Tensor, ...]:
        moved = variable.detach().requires_grad_(True)
        logits = target(repeat(to_image(moved), count), draws)
        losses = loss(logits, repeat(y, count))
        (gradient,) = torch.autograd.grad(losses.sum(), moved)
        return gradient, _sum_draws(losses.detach(), count), _sum_draws(logits.detach(), count)

    return EotGradient(*expectation(query, target, len(y), randomness, eot))


def gradient_of_mean(
    target: Target,
    x: Tensor,
    y: Tensor,
    loss: Loss,
    randomness: Randomness,
    *,
    eot: int,
    averaged: Callable[[Tensor], Tensor] = _identity,
) -> EotGradient:
    """Return the gradient of the loss of an average over draws, each of which is queried twice.

    The average is of a function of the logits (B, classes), by default the logits themselves.
    """
    mean = expected_logits(target, x, randomness, eot=eot, averaged=averaged).requires_grad_(True)
    value = loss(mean, y)
    (weights,) = torch.autograd.grad(value.sum(), mean)

    def linear(logits: Tensor, labels: Tensor) -> Tensor:
        return (averaged(logits) * repeat(weights, len(logits) // len(weights))).sum(1)

    result = eot_gradient(target, x, y, linear, randomness, eot=eot)
    return result._replace(loss=value.detach())


@torch.no_grad()
def expected_logits(
    target: Target,
    x: Tensor,
    randomness: Randomness,
    *,
    eot: int,
    averaged: Callable[[Tensor], Tensor] = _identity,
) -> Tensor:
    """Return (B, classes) logits, or a function of them, averaged over eot_gradient's draws."""

    def query(target: BatchedTarget, draws: Randomness, count: int) -> tuple[Tensor, ...]:
        return (_sum_draws(averaged(target(repeat(x, count), draws)), count),)

    return expectation(query, target, len(x), randomness, eot)[0]


def expected_loss(
    target: Target, x: Tensor, y: Tensor, loss: Loss, randomness: Randomness, *, eot: int
) -> Tensor:
    """Return (B,) losses averaged over eot_gradient's draws."""

    def losses(logits: Tensor) -> Tensor:
        return loss(logits, repeat(y, len(logits) // len(y)))

    return expected_logits(target, x, randomness, eot=eot, averaged=losses)


Query = Callable[[BatchedTarget, Randomness, int], tuple[Tensor, ...]]
"""(target, randomness of `count` draws of all examples, draw by draw, count) -> tensors."""


def expectation(
    query: Query, target: Target, size: int, randomness: Randomness, eot: int
) -> tuple[Tensor, ...]:
    """Return averages over `eot` draws of `size` examples; a query returns sums over its draws."""
    target = batched(target, size)
    sums: tuple[Tensor, ...] = ()
    for terms in query_draws(query, target, size, randomness, eot):
        sums = tuple(a + b for a, b in zip(sums, terms, strict=True)) if sums else terms
    return tuple(total / (eot if target.random else 1) for total in sums)


def query_draws(
    query: Query, target: BatchedTarget, size: int, randomness: Randomness, eot: int
) -> Iterator[tuple[Tensor, ...]]:
    """Yield the results of queries until they cover `eot` draws.

    A query takes as many draws as fit. When memory runs out, the remaining queries take half as
    many, and earlier results are kept; torch.OutOfMemoryError if a single draw does not fit.
    """
    draw = first = int(randomness.draw) * eot
    last = first + (eot if target.random else 1)

    def run(count: int) -> tuple[tuple[Tensor, ...], int]:
        if count < most:
            target.rows = count * size  # remember the limit
        return query(target, randomness.draws(draw, count), count), count

    while draw < last:
        most = max(1, min(last - draw, target.rows // size))
        result, count = halving(run, most)
        yield result
        draw += count


def repeat(values: Tensor, count: int) -> Tensor:
    """Return `count` copies one after the other, in the order of Randomness.draws."""
    return values if count == 1 else values.repeat(count, *(1 for _ in values.shape[1:]))


def _sum_draws(values: Tensor, count: int) -> Tensor:
    """Return the sums over such copies."""
    return values.reshape(count, -1, *values.shape[1:]).sum(0)
