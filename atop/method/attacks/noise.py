"""Uniform noise inside the ball: a control, which every attack should beat."""

from dataclasses import dataclass

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict, number
from atop.method.attack import Target
from atop.method.threat_models import check_norm, project, random_start
from atop.method.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Noise:
    """x' uniform in the ball around x, without gradients."""

    norm: str
    eps: float

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Return noisy images within eps of x."""
        start = random_start(x, self.eps, self.norm, randomness)
        return project(start, x, self.eps, self.norm)


def build(*, norm: str, eps: str) -> Noise:
    """Build the attack from a row of attacks.yaml."""
    return Noise(norm=check_norm("noise", norm), eps=number(eps))


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """Return an empty workload."""
    return Workload()
