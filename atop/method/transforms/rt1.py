"""RT1: missing patches (Eq. 2)."""

from dataclasses import dataclass

from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.transform import SingleView, Views, patch_ranks


@dataclass(frozen=True, kw_only=True)
class RT1(SingleView):
    """x_t = m * x, with `missing_rate` of the patches of a `grid` x `grid` division missing.

    Section 4.1: p = P/8, r = 0.25.
    """

    grid: int
    missing_rate: float

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        """(B, 3, H, W) -> one view; exactly int(missing_rate * grid^2) patches are missing."""
        missing = patch_ranks(x, randomness, grid=self.grid) < int(self.missing_rate * self.grid**2)
        mask = missing.to(x.dtype)
        return Views((x * (1 - mask))[:, None], mask[:, None])


build = RT1
