"""Contextual attention as published: a image at a time, patches as kernels of convolutions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LoopAttention(nn.Module):
    """What atop/method/purifiers/deepfill/attention.py computes for masks that are all the same.

    Features (B,C,h,w) and mask (B,1,4h,4w), 1 = missing -> (B,C,h,w). The mask of the batch's first
    image serves for all.
    """

    fuse_weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fuse_weight", torch.eye(3).view(1, 1, 3, 3))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        small = F.interpolate(features, scale_factor=1 / 2, mode="nearest")
        known = _known(mask)
        rebuilt = []
        for image, kernels, patches in zip(
            small.split(1),
            _kernels(small, 3, stride=1),
            _kernels(features, 4, stride=2),
            strict=True,
        ):
            norms = kernels.flatten(1).norm(dim=1).clamp_min(1e-4)
            scores = F.conv2d(image, kernels / norms[:, None, None, None], padding=1)
            weights = (10 * self._fuse(scores) * known).softmax(dim=1) * known
            rebuilt.append(F.conv_transpose2d(weights, patches, stride=2, padding=1) / 4)
        return torch.cat(rebuilt)

    def _fuse(self, scores: Tensor) -> Tensor:
        """Scores (1,L,p,q) of L = p*q background patches -> the same, along rows, then columns."""
        _, length, p, q = scores.shape
        grids = self._add_diagonals(scores.reshape(length, length)).reshape(p, q, p, q)
        turned = grids.permute(1, 0, 3, 2).reshape(length, length)
        grids = self._add_diagonals(turned).reshape(q, p, q, p)
        return grids.permute(1, 0, 3, 2).reshape(1, length, p, q)

    def _add_diagonals(self, scores: Tensor) -> Tensor:
        return F.conv2d(scores[None, None], self.fuse_weight, padding=1)


def _kernels(features: Tensor, size: int, *, stride: int) -> Tensor:
    """All patches of (B,C,h,w) as kernels (B,L,C,size,size)."""
    batch, channels = features.shape[:2]
    columns = F.unfold(features, size, padding=1, stride=stride)
    return columns.transpose(1, 2).reshape(batch, -1, channels, size, size)


def _known(mask: Tensor) -> Tensor:
    """(1,L,1,1), 1 where a patch and its neighbours miss nothing in the first image."""
    small = F.interpolate(mask[:1], scale_factor=1 / 8, mode="nearest")
    neighbours = F.unfold(small, 3, padding=1)  # (1,9,L)
    return (neighbours.mean(dim=1) == 0).to(mask.dtype)[:, :, None, None]
