"""RT3: one noisy picture under N complementary masks; every pixel is regenerated (Eq. 4)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.transform import Views, add_noise, patch_ranks


@dataclass(frozen=True, kw_only=True)
class RT3:
    """x_t^i = m_i * (x + eta), i = 1..N; one eta, masks disjoint, together the whole picture."""

    grid: int
    masks: int
    sigma: float

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        """(B, 3, H, W) -> N views, each missing 1/N of the patches."""
        noisy = add_noise(x, randomness, sigma=self.sigma)
        ranks = patch_ranks(x, randomness, grid=self.grid)
        which = ranks // (self.grid**2 // self.masks)
        views = torch.arange(self.masks, device=x.device)[:, None, None, None]
        mask = (which[:, None] == views).to(x.dtype)
        return Views(noisy[:, None] * (1 - mask), mask)

    def combine(self, purified: Tensor, mask: Tensor) -> Tensor:
        """Of each view the pixels it generated: sum_i (1 - m_i) * x_g^i, m_i = 1 where kept."""
        return (purified * mask).sum(dim=1)


def build(*, grid: int, masks: int, sigma: float) -> RT3:
    """RT3 with its hyper-parameters (Section 4.1: p = P/8, N = 4, sigma = 0.25).

    Raises:
        ValueError: the patches do not divide into N equal masks.
    """
    if grid**2 % masks:
        raise ValueError(f"{grid}x{grid} patches do not divide into {masks} masks")
    return RT3(grid=grid, masks=masks, sigma=sigma)
