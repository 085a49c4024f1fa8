"""Augmentation of uint8 images, drawn per example."""

import torch
import torch.nn.functional as F
from torch import Tensor

from atop.core.randomness import Randomness


def flip(images: Tensor, randomness: Randomness) -> Tensor:
    """(B, H, W, 3) -> the same, each image mirrored left to right with probability one half."""
    mirrored = randomness.uniform((1, 1, 1), "flip") < 0.5
    return torch.where(mirrored, images.flip(2), images)


def shift(images: Tensor, randomness: Randomness, *, most: int) -> Tensor:
    """(B, H, W, 3) -> the same, each shifted by at most `most` pixels and padded with black."""
    batch, height, width, _ = images.shape
    padded = F.pad(images, (0, 0, most, most, most, most))
    offset = (randomness.uniform((2,), "shift") * (2 * most + 1)).long()
    rows = offset[:, :1] + torch.arange(height, device=images.device)
    columns = offset[:, 1:] + torch.arange(width, device=images.device)
    example = torch.arange(batch, device=images.device)[:, None, None]
    return padded[example, rows[:, :, None], columns[:, None, :]]
