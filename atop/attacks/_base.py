"""What attacks share: the contract, projections, gradients averaged over a target's draws."""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from atop.randomness import Randomness

Loss = Callable[[Tensor, Tensor], Tensor]


class Target(Protocol):
    """What the attacker differentiates: (B, 3, H, W) in [0, 1] -> (B, classes) logits."""

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Logits under a draw of the target's own randomness, if it has any."""


class Attack(Protocol):
    """An attack with its budget."""

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Adversarial pictures for x (B, 3, H, W) in [0, 1] with labels y (B,).

        An example's result depends on that example and on `randomness`, not on its batch.
        """


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) losses that an untargeted attack raises."""
    return F.cross_entropy(logits, labels, reduction="none")


def gradient(
    target: Target, x: Tensor, y: Tensor, loss: Loss, randomness: Randomness, *, eot: int
) -> Tensor:
    """Gradient of each example's loss by its pixels, averaged over `eot` draws (Athalye, 2018b).

    The draws are randomness.draw * eot + 0, 1, ..., so that successive draws share none.
    """
    total = torch.zeros_like(x)
    for k in range(eot):
        variable = x.detach().clone().requires_grad_(True)
        value = loss(target(variable, randomness.at(randomness.draw * eot + k)), y).sum()
        total += torch.autograd.grad(value, variable)[0]
    return total / eot


def project_linf(x_adv: Tensor, x: Tensor, eps: float) -> Tensor:
    """The nearest picture within eps of x in every pixel and inside [0, 1]."""
    return torch.clamp(x + torch.clamp(x_adv - x, -eps, eps), 0, 1)
