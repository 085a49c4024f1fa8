"""RT3: a noisy image under N complementary masks; every pixel is regenerated (Eq. 4)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.transform import Views, add_noise, patch_ranks


@dataclass(frozen=True, kw_only=True)
class RT3:
    """x_t^i = m_i * (x + eta), i = 1..N; a single eta, disjoint masks that cover the image.

    Section 4.1: p = P/8, N = 4, sigma = 0.25.

    Raises:
        ValueError: the patches do not divide into N equal masks.
    """

    grid: int
    masks: int
    sigma: float

    def __post_init__(self) -> None:
        if self.grid**2 % self.masks:
            grid = f"{self.grid}x{self.grid}"
            raise ValueError(f"{grid} patches do not divide into {self.masks} masks")

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        """(B, 3, H, W) -> N views, each missing 1/N of the patches."""
        noisy = add_noise(x, randomness, sigma=self.sigma)
        ranks = patch_ranks(x, randomness, grid=self.grid)
        view_of_patch = ranks // (self.grid**2 // self.masks)
        views = torch.arange(self.masks, device=x.device)[:, None, None, None]
        mask = (view_of_patch[:, None] == views).to(x.dtype)
        return Views(noisy[:, None] * (1 - mask), mask)

    def combine(self, purified: Tensor, mask: Tensor) -> Tensor:
        """Sum the generated pixels of all views: sum_i (1 - m_i) * x_g^i, m_i = 1 = kept."""
        return (purified * mask).sum(dim=1)


build = RT3
