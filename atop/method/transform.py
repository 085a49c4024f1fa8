"""The interface of random transforms; missing patches and noise."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from atop.core.randomness import Randomness

MASK = "mask"
"""The purpose of the random numbers that choose missing patches."""


class Views(NamedTuple):
    """Corrupted views of a batch.

    Attributes:
        images: (B, V, 3, H, W), zero if missing; in [0, 1] unless noise is not clipped.
        mask: (B, V, 1, H, W), 1 = missing. (The paper's m is 1 = kept.)
    """

    images: Tensor
    mask: Tensor


class Transform(Protocol):
    """A random transform t, and the combination of purified views into an image."""

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        """Corrupt x (B, 3, H, W) in [0, 1]; the corruption depends on `randomness` only."""

    def combine(self, purified: Tensor, mask: Tensor) -> Tensor:
        """(B, V, 3, H, W) and (B, V, 1, H, W) -> the purified image (B, 3, H, W)."""


@dataclass(frozen=True)
class FixedMask:
    """A transform with one mask for all examples and draws; its noise differs as before.

    An ablation of the public review, in which the mask is fixed when the defence is used.
    """

    transform: Transform

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        """(B, 3, H, W) -> the transform's views; under a seed, their masks never change."""
        return self.transform(x, replace(randomness, constant=frozenset({MASK})))

    def combine(self, purified: Tensor, mask: Tensor) -> Tensor:
        """(B, V, 3, H, W) and (B, V, 1, H, W) -> the purified image, as the transform says."""
        return self.transform.combine(purified, mask)


def patch_ranks(x: Tensor, randomness: Randomness, *, grid: int) -> Tensor:
    """Return (B, 1, H, W) int64: each patch of a grid x grid division holds its random rank.

    The patches of ranks below k are a uniformly random choice of k patches.
    """
    height, width = x.shape[-2:]
    if height % grid or width % grid:
        raise ValueError(f"an image of {height}x{width} does not divide into {grid}x{grid} patches")
    ranks = randomness.permutation(grid * grid, MASK).reshape(-1, 1, grid, grid)
    return ranks.repeat_interleave(height // grid, 2).repeat_interleave(width // grid, 3)


def add_noise(x: Tensor, randomness: Randomness, *, sigma: float) -> Tensor:
    """Return x + eta, eta ~ N(0, sigma^2) per pixel and channel, clipped to [0, 1] (deviation B23).

    Without noise nothing is clipped: a clip has no gradient at 0 and 1, which real pixels have.
    """
    if sigma == 0:
        return x
    noise = randomness.normal(tuple(x.shape[1:]), "noise").to(x.dtype)
    return torch.clamp(x + sigma * noise, 0, 1)


class SingleView:
    """Transforms with a single view: the purified image is the purifier's raw output."""

    def combine(self, purified: Tensor, mask: Tensor) -> Tensor:
        """Return the purified view, in which kept pixels are regenerated too."""
        return purified[:, 0]
