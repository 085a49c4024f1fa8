"""The interface of attacks, and the losses that attacks raise."""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from atop.core.randomness import Randomness

Loss = Callable[[Tensor, Tensor], Tensor]
"""(B, classes) logits and (B,) labels -> (B,) losses that an untargeted attack raises."""


class Target(Protocol):
    """The function that attacks differentiate: (B, 3, H, W) in [0, 1] -> (B, classes) logits."""

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Return logits under a draw of the target's own randomness, if it has any."""


class Attack(Protocol):
    """An attack with its budget.

    It may also have a method `candidates` with the arguments of a call. This returns a list of
    results (B, 3, H, W), of the same length for every batch; each example keeps the candidate that
    the judge finds the worst for the defence. A call then returns one of them.
    """

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Return adversarial images for x (B, 3, H, W) in [0, 1] with labels y (B,).

        The result of an example depends on the example and `randomness`, not on its batch.
        """


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (B,) cross-entropies."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (B,) best wrong logits minus the true ones: positive if misclassified."""
    true = F.one_hot(labels, logits.shape[1]).bool()
    best_wrong = logits.masked_fill(true, -torch.inf).amax(1)
    return best_wrong - logits.gather(1, labels[:, None])[:, 0]


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "margin": margin}
