"""Gradient ascent inside a ball: shared by PGD and its variants."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import number
from atop.method.threat_models import check_norm, project, random_start, steepest

DIRECTIONS = ("sign", "unit")
SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """Projected steps along a gradient; the last iterate is the result.

    Attributes:
        direction: of a step: the `sign` of the gradient, or the `unit` vector along it.
        schedule: of the step size: `constant`, or half a `cosine` from step_size to zero.
    """

    norm: str
    eps: float
    step_size: float
    steps: int
    random_start: bool
    direction: str
    schedule: str

    def run(
        self,
        gradient: Callable[[Tensor, Randomness], Tensor],
        x: Tensor,
        randomness: Randomness,
        *,
        start: Tensor | None = None,
    ) -> Tensor:
        """Return images within eps of x.

        Args:
            gradient: (x_adv, randomness of the step's first draw) -> gradient of the objective.
            x: (B, 3, H, W) in [0, 1].
            randomness: gives the start and the first draw.
            start: replaces the configured start; it is projected into the ball.
        """
        if start is None:
            start = random_start(x, self.eps, self.norm, randomness) if self.random_start else x
        x_adv = project(start, x, self.eps, self.norm)
        for step in range(self.steps):
            draw = randomness.at(int(randomness.draw) + step)
            towards = steepest(gradient(x_adv, draw), self.direction)
            x_adv = project(x_adv + self.size(step) * towards, x, self.eps, self.norm)
        return x_adv

    def size(self, step: int) -> float:
        """Return the size of a step, counted from 0."""
        if self.schedule == "constant":
            return self.step_size
        return self.step_size * (1 + math.cos(math.pi * step / self.steps)) / 2


def ascent(
    method: str,
    *,
    norm: str,
    eps: str,
    step_size: str,
    steps: int,
    random_start: bool,
    direction: str | None = None,
    schedule: str = "constant",
) -> Ascent:
    """Build an Ascent from a row of attacks.yaml; the norm gives the default direction.

    Raises:
        ValueError: unknown norm, direction or schedule; the message names `method`.
    """
    direction = direction or ("unit" if norm == "L2" else "sign")
    check_choice(method, "direction", direction, DIRECTIONS)
    check_choice(method, "schedule", schedule, SCHEDULES)
    return Ascent(
        norm=check_norm(method, norm),
        eps=number(eps),
        step_size=number(step_size),
        steps=steps,
        random_start=random_start,
        direction=direction,
        schedule=schedule,
    )


def check_choice(method: str, kind: str, choice: str, known: Collection[str]) -> None:
    """Raise ValueError unless the choice is known."""
    if choice not in known:
        raise ValueError(f"{method}: no {kind} '{choice}'; known are {', '.join(known)}")
