"""Gradients other than that of the expected loss: of a vote, the hardest draw, a distance."""

import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.attack import Loss, Target
from atop.method.eot import (
    BatchedTarget,
    EotGradient,
    batched,
    expectation,
    gradient_of_mean,
    query_draws,
    repeat,
)


def gradient_of_vote(
    target: Target, x: Tensor, y: Tensor, loss: Loss, randomness: Randomness, *, eot: int
) -> EotGradient:
    """Return the gradient of the loss of the mean probabilities, of which logs replace logits.

    A confident draw counts as much as in a vote, and no more.
    """

    def loss_of_mean(mean: Tensor, labels: Tensor) -> Tensor:
        return loss(mean.clamp(min=torch.finfo(mean.dtype).tiny).log(), labels)

    def probabilities(logits: Tensor) -> Tensor:
        return logits.softmax(1)

    return gradient_of_mean(target, x, y, loss_of_mean, randomness, eot=eot, averaged=probabilities)


def gradient_of_hardest_draw(
    target: Target, x: Tensor, y: Tensor, loss: Loss, randomness: Randomness, *, eot: int
) -> EotGradient:
    """Return the gradient of each example's loss at the draw of the highest loss.

    For an attacker who needs a single wrong draw.
    """

    @torch.no_grad()
    def query(target: BatchedTarget, draws: Randomness, count: int) -> tuple[Tensor, ...]:
        losses = loss(target(repeat(x, count), draws), repeat(y, count))
        return losses.reshape(count, -1), torch.as_tensor(draws.draw).to(y).reshape(count, -1)

    target = batched(target, len(x))
    results = zip(*query_draws(query, target, len(x), randomness, eot), strict=True)
    losses, draws = (torch.cat([part.expand(-1, len(x)) for part in parts]) for parts in results)
    hardest = draws.gather(0, losses.argmax(0, keepdim=True))[0]
    moved = x.detach().requires_grad_(True)
    logits = target(moved, randomness.at(hardest))
    highest = loss(logits, y)
    (gradient,) = torch.autograd.grad(highest.sum(), moved)
    return EotGradient(gradient, highest.detach(), logits.detach())


def gradient_of_shift(
    target: Target, x_adv: Tensor, x: Tensor, randomness: Randomness, *, eot: int
) -> Tensor:
    """Return the gradient by x_adv of the expected squared distance of its outputs from x's.

    Both images get the same draws, so that only their difference moves the outputs.
    """

    def query(target: BatchedTarget, draws: Randomness, count: int) -> tuple[Tensor, ...]:
        with torch.no_grad():
            clean = target(repeat(x, count), draws)
        moved = x_adv.detach().requires_grad_(True)
        shift = target(repeat(moved, count), draws) - clean
        return torch.autograd.grad(shift.square().sum(), moved)

    return expectation(query, target, len(x), randomness, eot)[0]
