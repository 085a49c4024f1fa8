"""How an attacker sees a defence: exactly, or through one of the stand-ins of attacks.yaml.

`through: exact` is the default. A stand-in changes what is differentiated, never what is reported:
the pictures are classified by the whole defence.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.resizing import resize
from atop.method.attack import Target
from atop.method.defense import Defense

FIXED = "fixed"
"""The stream whose first draw a fixed-randomness attack and its evaluation share."""


@dataclass(frozen=True)
class IdentityBackward:
    """BPDA (Athalye et al., 2018a): forwards the whole defence, backwards the classifier alone."""

    defense: Defense

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Logits of the whole defence, with the gradient of the classifier alone."""
        with torch.no_grad():
            purified = self.defense.purify(x, randomness)
        plain = resize(x, purified.shape[-1])
        return self.defense.classify(plain + (purified - plain).detach())


@dataclass(frozen=True)
class FixedDraw:
    """One draw per example, known to the attacker (Liu et al., arXiv 2404.14309)."""

    defense: Defense

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Logits at the one draw, whichever was asked for."""
        return self.defense(x, held(randomness))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Purified:
    """What the classifier receives, in place of logits: g's output, or t(x) where there is no g."""

    defense: Defense

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        """(B, 3 * H * W) of the purified image, in [0, 1]."""
        return self.defense.purify(x, randomness).flatten(1)


def held(randomness: Randomness) -> Randomness:
    """The one draw of the examples that FixedDraw takes."""
    return Randomness(randomness.seed, FIXED, randomness.index)


SURROGATES: dict[str, Callable[[Defense], Target]] = {
    "exact": lambda defense: defense,
    "bpda": IdentityBackward,
    "fixed": FixedDraw,
    "purified": Purified,
}
