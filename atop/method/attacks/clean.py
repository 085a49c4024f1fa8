"""No attack: the column of standard accuracy."""

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict
from atop.method.attack import Target
from atop.method.workload import Workload


class Clean:
    """x' = x."""

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Return the clean images."""
        return x


build = Clean


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """Return an empty workload."""
    return Workload()
