"""PGD (Madry et al., 2018), with expectation over the target's draws (Athalye et al., 2018b)."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict
from atop.method.attack import LOSSES, Target
from atop.method.attacks._ascent import Ascent, ascent, check_word
from atop.method.attacks._slopes import slope_of_hardest, slope_of_vote
from atop.method.eot import slope, slope_of_mean
from atop.method.workload import Queries, Workload, draws_of

AVERAGES = {
    "loss": slope,
    "logits": slope_of_mean,
    "probabilities": slope_of_vote,
    "hardest": slope_of_hardest,
}
"""What of the draws counts: a mean, or of each image the draw where its loss is highest."""


@dataclass(frozen=True, kw_only=True)
class PGD:
    """Steps along the gradient, projected back into the ball; the last iterate is the result.

    Attributes:
        ascent: the ball, the steps and their start.
        eot: draws that a step looks at.
        loss: a name of LOSSES.
        average: a name of AVERAGES.
    """

    ascent: Ascent
    eot: int
    loss: str
    average: str

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Adversarial images within eps of x."""
        return self.run(target, x, y, randomness)

    def run(
        self,
        target: Target,
        x: Tensor,
        y: Tensor,
        randomness: Randomness,
        *,
        start: Tensor | None = None,
    ) -> Tensor:
        """The iteration, from a given start if there is one."""
        look: Any = AVERAGES[self.average]

        def gradient(x_adv: Tensor, draw: Randomness) -> Tensor:
            return look(target, x_adv, y, LOSSES[self.loss], draw, eot=self.eot).gradient  # type: ignore[no-any-return]

        return self.ascent.run(gradient, x, randomness, start=start)


def build(*, eot: int, loss: str = "cross_entropy", average: str = "loss", **options: Any) -> PGD:
    """PGD as a row of attacks.yaml gives it.

    Args:
        eot: draws that a step looks at.
        loss: a name of LOSSES.
        average: over draws, of the `loss`; of the `logits` or `probabilities` that the loss then
            takes; or of each image the `hardest` draw alone.
        options: norm, eps, step_size, steps, random_start, direction, schedule.

    Raises:
        ValueError: a norm, direction, schedule, loss or average that is not known.
    """
    check_word("pgd", "loss", loss, tuple(LOSSES))
    check_word("pgd", "average", average, tuple(AVERAGES))
    return PGD(ascent=ascent("pgd", **options), eot=eot, loss=loss, average=average)


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """A gradient a step; what is not linear in the draws asks without one, too."""
    eot, steps, average = draws_of(row, random=random), row["steps"], row.get("average", "loss")
    if average == "loss":
        return Workload(queries=(Queries(True, eot, steps),))
    if average == "hardest":
        return Workload(queries=(Queries(False, eot, steps), Queries(True, 1, steps)))
    return Workload(queries=(Queries(True, eot, steps), Queries(False, eot, steps)))
