"""Steps uphill inside a ball: what PGD and its relatives share, whatever they raise."""

import math
from collections.abc import Callable
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
        schedule: of the step size: `constant`, or half a `cosine` from step_size down to nothing.
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
        """Images within eps of x.

        Args:
            gradient: (x_adv, randomness of the step's first draw) -> gradient of what is raised.
            x: (B, 3, H, W) in [0, 1].
            randomness: names the start and the first draw.
            start: where to begin, projected into the ball first; instead of the row's own start.
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
        """Of a step, the first of which is 0."""
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
    """What rows of attacks.yaml say of it; steps follow the norm unless they name a direction.

    Raises:
        ValueError: a norm, direction or schedule that is not known, in the words of `method`.
    """
    direction = direction or ("unit" if norm == "L2" else "sign")
    check_word(method, "direction", direction, DIRECTIONS)
    check_word(method, "schedule", schedule, SCHEDULES)
    return Ascent(
        norm=check_norm(method, norm),
        eps=number(eps),
        step_size=number(step_size),
        steps=steps,
        random_start=random_start,
        direction=direction,
        schedule=schedule,
    )


def check_word(method: str, what: str, word: str, known: tuple[str, ...]) -> str:
    """The word, if it is known; ValueError otherwise."""
    if word not in known:
        raise ValueError(f"{method}: no {what} '{word}'; known are {', '.join(known)}")
    return word
