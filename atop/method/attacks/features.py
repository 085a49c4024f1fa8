"""PGD that moves what a network makes of an image away from what it makes of the clean one.

Labels and the classifier play no part: an attack on features (Sabour et al., 2016, without a guide
image). A row of attacks.yaml says by `through: purified` that the features are what g returns.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict
from atop.method.attack import Target
from atop.method.attacks._ascent import Ascent, ascent
from atop.method.attacks._slopes import slope_of_shift
from atop.method.workload import Queries, Workload, draws_of


@dataclass(frozen=True, kw_only=True)
class Features:
    """PGD on the expected squared distance of the outputs for x_adv and x under the same draws.

    Attributes:
        ascent: the ball, the steps and their start; at x itself there is no gradient.
        eot: draws that each step averages over.
    """

    ascent: Ascent
    eot: int

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Adversarial images within eps of x."""

        def gradient(x_adv: Tensor, draw: Randomness) -> Tensor:
            return slope_of_shift(target, x_adv, x, draw, eot=self.eot)

        return self.ascent.run(gradient, x, randomness)


def build(*, eot: int, **options: Any) -> Features:
    """The attack as a row of attacks.yaml gives it.

    Args:
        eot: draws that each step averages over.
        options: norm, eps, step_size, steps, random_start, direction, schedule.

    Raises:
        ValueError: a norm, direction or schedule that is not known.
    """
    return Features(ascent=ascent("features", **options), eot=eot)


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """A gradient a step, and the clean image under the same draws."""
    eot, steps = draws_of(row, random=random), row["steps"]
    return Workload(queries=(Queries(True, eot, steps), Queries(False, eot, steps)))
