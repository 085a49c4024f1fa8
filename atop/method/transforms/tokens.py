"""Input of a denoising masked autoencoder: a noisy image with missing tokens."""

from dataclasses import dataclass

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.resizing import resize
from atop.method.transform import SingleView, Views, patch_ranks


@dataclass(frozen=True, kw_only=True)
class Tokens(SingleView):
    """x_t = m * (x + eta), not clipped, with eta drawn at a side of `noise_pixels` and enlarged.

    DMAE (Wu et al., 2023) adds noise before it enlarges an image. Enlarging is linear, so that
    enlarged noise on the enlarged image is the same. Section 4.1: r = 0.25, sigma = 0.25; DMAE:
    r = 0.75.
    """

    grid: int
    missing_rate: float
    sigma: float
    noise_pixels: int

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        """(B, 3, H, W) -> one view; int((1 - missing_rate) * grid^2) tokens are kept."""
        side = self.noise_pixels
        noise = resize(randomness.normal((3, side, side), "noise").to(x.dtype), x.shape[-1])
        kept = int((1 - self.missing_rate) * self.grid**2)
        missing = patch_ranks(x, randomness, grid=self.grid) >= kept
        mask = missing.to(x.dtype)
        return Views(((x + self.sigma * noise) * (1 - mask))[:, None], mask[:, None])


build = Tokens
