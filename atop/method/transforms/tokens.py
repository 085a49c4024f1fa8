"""What a denoising masked autoencoder is shown: a noisy picture of which tokens are missing."""

from dataclasses import dataclass

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.resizing import resize
from atop.method.transform import SingleView, Views, patch_ranks


@dataclass(frozen=True, kw_only=True)
class Tokens(SingleView):
    """x_t = m * (x + eta), with eta drawn at `noise_pixels` a side and enlarged, and not clipped.

    DMAE (Wu et al., 2023) adds noise before it enlarges a picture; enlarging is linear, so that
    enlarged noise on the enlarged picture is the same.
    """

    grid: int
    missing_rate: float
    sigma: float
    noise_pixels: int

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        """(B, 3, H, W) -> one view; int((1 - missing_rate) * grid^2) tokens are there."""
        side = self.noise_pixels
        noise = resize(randomness.normal((3, side, side), "noise").to(x.dtype), x.shape[-1])
        there = int((1 - self.missing_rate) * self.grid**2)
        missing = patch_ranks(x, randomness, grid=self.grid) >= there
        mask = missing.to(x.dtype)
        return Views(((x + self.sigma * noise) * (1 - mask))[:, None], mask[:, None])


def build(*, grid: int, missing_rate: float, sigma: float, noise_pixels: int) -> Tokens:
    """Tokens with its hyper-parameters (Section 4.1: r = 0.25, sigma = 0.25; DMAE: r = 0.75)."""
    return Tokens(grid=grid, missing_rate=missing_rate, sigma=sigma, noise_pixels=noise_pixels)
