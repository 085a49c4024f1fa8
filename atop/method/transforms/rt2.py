"""RT2: Gaussian noise, then missing patches (Eq. 3)."""

from dataclasses import dataclass

from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.transform import Views, add_noise
from atop.method.transforms.rt1 import RT1


@dataclass(frozen=True, kw_only=True)
class RT2(RT1):
    """x_t = m * (x + eta), eta ~ N(0, sigma^2); Section 4.1: p = P/8, r = 0.25, sigma = 0.25."""

    sigma: float

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        """(B, 3, H, W) -> one view."""
        return super().__call__(add_noise(x, randomness, sigma=self.sigma), randomness)


build = RT2
