"""PGD (Madry et al., 2018), with expectation over the target's draws (Athalye et al., 2018b)."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict
from atop.method.attack import LOSSES, Target
from atop.method.attacks._ascent import Ascent, ascent, check_choice
from atop.method.attacks._gradients import gradient_of_hardest_draw, gradient_of_vote
from atop.method.eot import eot_gradient, gradient_of_mean
from atop.method.workload import Queries, Workload, draws_of

AVERAGES = {
    "loss": eot_gradient,
    "logits": gradient_of_mean,
    "probabilities": gradient_of_vote,
    "hardest": gradient_of_hardest_draw,
}
"""Gradients by what is averaged over draws; `hardest` uses the draw of the highest loss."""


@dataclass(frozen=True, kw_only=True)
class PGD:
    """Steps along the gradient, projected back into the ball; the last iterate is the result.

    Attributes:
        ascent: the ball, the steps and their start.
        eot: number of draws per step.
        loss: a name of LOSSES.
        average: a name of AVERAGES.
    """

    ascent: Ascent
    eot: int
    loss: str
    average: str

    def __call__(
        self,
        target: Target,
        x: Tensor,
        y: Tensor,
        randomness: Randomness,
        *,
        start: Tensor | None = None,
    ) -> Tensor:
        """Return adversarial images within eps of x; `start` replaces the configured start."""
        gradient_of: Any = AVERAGES[self.average]

        def gradient(x_adv: Tensor, draw: Randomness) -> Tensor:
            return gradient_of(target, x_adv, y, LOSSES[self.loss], draw, eot=self.eot).gradient  # type: ignore[no-any-return]

        return self.ascent.run(gradient, x, randomness, start=start)


def build(*, eot: int, loss: str = "cross_entropy", average: str = "loss", **options: Any) -> PGD:
    """Build the attack from a row of attacks.yaml; `options` are those of an ascent.

    Raises:
        ValueError: an unknown norm, direction, schedule, loss or average.
    """
    check_choice("pgd", "loss", loss, LOSSES)
    check_choice("pgd", "average", average, AVERAGES)
    return PGD(ascent=ascent("pgd", **options), eot=eot, loss=loss, average=average)


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """Count a gradient per step; averages other than `loss` also take a query without one."""
    eot, steps, average = draws_of(row, random=random), row["steps"], row.get("average", "loss")
    if average == "loss":
        return Workload(queries=(Queries(True, eot, steps),))
    if average == "hardest":
        return Workload(queries=(Queries(False, eot, steps), Queries(True, 1, steps)))
    return Workload(queries=(Queries(True, eot, steps), Queries(False, eot, steps)))
