"""PGD on features (Sabour et al., 2016, without a guide image): moves them from the clean ones.

Labels and the classifier are not used. With `through: purified` in attacks.yaml the features are
the output of g.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict
from atop.method.attack import Target
from atop.method.attacks._ascent import Ascent, ascent
from atop.method.attacks._gradients import gradient_of_shift
from atop.method.workload import Queries, Workload, draws_of


@dataclass(frozen=True, kw_only=True)
class Features:
    """PGD on the expected squared distance of the outputs for x_adv and x under the same draws.

    Attributes:
        ascent: the ball, the steps and their start; at x itself there is no gradient.
        eot: number of draws per step.
    """

    ascent: Ascent
    eot: int

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Return adversarial images within eps of x."""

        def gradient(x_adv: Tensor, draw: Randomness) -> Tensor:
            return gradient_of_shift(target, x_adv, x, draw, eot=self.eot)

        return self.ascent.run(gradient, x, randomness)


def build(*, eot: int, **options: Any) -> Features:
    """Build the attack from a row of attacks.yaml; `options` are those of an ascent."""
    return Features(ascent=ascent("features", **options), eot=eot)


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """Count per step a gradient, and a query of the clean image under the same draws."""
    eot, steps = draws_of(row, random=random), row["steps"]
    return Workload(queries=(Queries(True, eot, steps), Queries(False, eot, steps)))
