"""No attack: the column of standard accuracy."""

from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.attack import Target


class Clean:
    """x' = x."""

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """The pictures as they are."""
        return x


def build() -> Clean:
    """It has no budget."""
    return Clean()
