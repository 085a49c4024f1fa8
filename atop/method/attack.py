"""The contract of every attack, and the losses that attacks raise."""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from atop.core.randomness import Randomness

Loss = Callable[[Tensor, Tensor], Tensor]
"""(B, classes) logits and (B,) labels -> (B,) losses that an untargeted attack raises."""


class Target(Protocol):
    """What the attacker differentiates: (B, 3, H, W) in [0, 1] -> (B, classes) logits."""

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Logits under a draw of the target's own randomness, if it has any."""


class Attack(Protocol):
    """An attack with its budget.

    It may have a method `candidates`, too, with the arguments of a call: a list of several results
    (B, 3, H, W) of one run, as many for every batch, of which each example keeps the one that the
    judge finds the worst for the defence. A call then returns one of them.
    """

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Adversarial pictures for x (B, 3, H, W) in [0, 1] with labels y (B,).

        An example's result depends on that example and on `randomness`, not on its batch.
        """


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) cross-entropies."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) best wrong logit minus the true one: positive where misclassified."""
    true = F.one_hot(labels, logits.shape[1]).bool()
    best_wrong = logits.masked_fill(true, -torch.inf).amax(1)
    return best_wrong - logits.gather(1, labels[:, None])[:, 0]


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "margin": margin}
