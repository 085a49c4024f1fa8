"""What every random transform shares: the contract, and patches that are missing."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from atop.core.randomness import Randomness


class Views(NamedTuple):
    """What a transform makes of a batch.

    Attributes:
        images: (B, V, 3, H, W), zero where missing; in [0, 1] but for noise that is not clipped.
        mask: (B, V, 1, H, W), 1 = missing. (The paper's m is 1 where kept; ledger A.2.)
    """

    images: Tensor
    mask: Tensor


class Transform(Protocol):
    """A random transform t and its way back from purified views to one picture."""

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        """Corrupt x (B, 3, H, W) in [0, 1]; what an example gets depends on `randomness` alone."""

    def combine(self, purified: Tensor, mask: Tensor) -> Tensor:
        """(B, V, 3, H, W) and (B, V, 1, H, W) -> the purified picture (B, 3, H, W)."""


def patch_ranks(x: Tensor, randomness: Randomness, *, grid: int) -> Tensor:
    """(B, 1, H, W) int64: each patch of a grid x grid division holds its random rank.

    The patches of rank below k are a uniformly random choice of exactly k patches.
    """
    height, width = x.shape[-2:]
    if height % grid or width % grid:
        raise ValueError(
            f"a picture of {height}x{width} does not divide into {grid}x{grid} patches"
        )
    ranks = randomness.permutation(grid * grid, "mask").reshape(-1, 1, grid, grid)
    ranks = ranks.repeat_interleave(height // grid, 2).repeat_interleave(width // grid, 3)
    return ranks


def add_noise(x: Tensor, randomness: Randomness, *, sigma: float) -> Tensor:
    """X + eta with eta ~ N(0, sigma^2) per pixel and channel, clipped to [0, 1] (ledger B23).

    Without noise it is x itself: a clip has no gradient at 0 and 1, where real pixels lie.
    """
    if sigma == 0:
        return x
    noise = randomness.normal(tuple(x.shape[1:]), "noise").to(x.dtype)
    return torch.clamp(x + sigma * noise, 0, 1)


class SingleView:
    """Transforms that purify one corrupted view: the purifier's raw output is the picture (A.2)."""

    def combine(self, purified: Tensor, mask: Tensor) -> Tensor:
        """The one purified view, kept pixels regenerated too."""
        return purified[:, 0]
