"""No attack: the column of standard accuracy."""

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict
from atop.method.attack import Target
from atop.method.workload import Workload


class Clean:
    """x' = x."""

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """The pictures as they are."""
        return x


def build() -> Clean:
    """It has no budget."""
    return Clean()


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """It asks nothing."""
    return Workload()
