"""Sub-attacks of AutoAttack with small budgets, and targets for them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.attack import Target
from atop.method.attacks import autoattack

ROWS: dict[str, dict[str, Any]] = {
    "apgd-ce": {"steps": 5, "eot": 1},
    "apgd-dlr": {"steps": 5, "eot": 1},
    "apgd-t": {"steps": 5, "eot": 1, "targets": 3},
    "fab-t": {"steps": 5, "targets": 3},
    "square": {"queries": 40, "rescale": False, "eot": 1},
}
BALLS = {"Linf": ("8/255", 8 / 255), "L2": ("0.5", 0.5)}


def made(
    attack: str, *, norm: str = "Linf", version: str = "official", **changes: Any
) -> autoattack.SubAttack:
    """A sub-attack with its row above, changed."""
    row = {"norm": norm, "eps": BALLS[norm][0], **ROWS[attack], **changes}
    return autoattack.build(attack=attack, version=version, **row)


class Recorder:
    """A target without randomness, which keeps the randomness of each query."""

    def __init__(self, network: Callable[[Tensor], Tensor]) -> None:
        self.network = network
        self.asked: list[Randomness] = []

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        self.asked.append(randomness)
        return self.network(x)


class Noisy(Recorder):
    """A target with randomness."""

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        noise = randomness.normal((3, 32, 32), "noise").to(x)
        return super().__call__(x + 0.1 * noise, randomness)


def linear(classes: int, scale: float = 1.0) -> Target:
    """Logits that no small step changes much."""
    weights = Randomness(0, "linear", torch.arange(classes)).normal((3 * 32 * 32,), "weights")

    def target(x: Tensor, randomness: Randomness) -> Tensor:
        return scale * torch.arange(classes) + 1e-4 * (x.flatten(1) @ weights.T)

    return target
