"""Surrogates: functions that an attacker differentiates in place of a defence.

A row of attacks.yaml selects one by `through`; the default is `exact`. Reported outcomes are always
those of the defence itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from atop.core.randomness import FIXED, Randomness
from atop.core.resizing import resize
from atop.method.attack import Target
from atop.method.defense import Defense


@dataclass(frozen=True)
class IdentityBackward:
    """BPDA (Athalye et al., 2018a): forward the defence, backward only the classifier."""

    defense: Defense

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Return the logits of the defence, with the gradient of the classifier."""
        with torch.no_grad():
            purified = self.defense.purify(x, randomness)
        plain = resize(x, purified.shape[-1])
        return self.defense.classify(plain + (purified - plain).detach(), randomness)


@dataclass(frozen=True)
class FixedDraw:
    """A single draw per example, known to the attacker (Liu et al., arXiv 2404.14309)."""

    defense: Defense

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Return the logits at the fixed draw, whatever the draw of `randomness`."""
        return self.defense(x, fixed_draw(randomness))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Purified:
    """The classifier's input in place of logits: the output of g, or t(x) without g."""

    defense: Defense

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Return the purified image as (B, 3 * H * W) in [0, 1]."""
        return self.defense.purify(x, randomness).flatten(1)


def fixed_draw(randomness: Randomness) -> Randomness:
    """Return the draw of the examples that FixedDraw uses."""
    return Randomness(randomness.seed, FIXED, randomness.index)


SURROGATES: dict[str, Callable[[Defense], Target]] = {
    "exact": lambda defense: defense,
    "bpda": IdentityBackward,
    "fixed": FixedDraw,
    "purified": Purified,
}
