"""Contextual attention: fill missing pixels with copies of known patches, for all of a batch.

Yu et al., 2018, "Generative Image Inpainting with Contextual Attention", Section 4.1.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atop.core.execution import without_autocast

SOFTMAX_SCALE = 10.0
NORM_FLOOR = 1e-4


class ContextualAttention(nn.Module):
    """Rebuild every 4x4 patch of a feature map as a mixture of its patches without missing pixels.

    Features (B,C,h,w), h and w even, and mask (B,1,4h,4w), 1 = missing -> (B,C,h,w).
    Patches are matched at half resolution by cosine similarity (only the background side is
    normalised), so a map of h*w positions has L = h*w/4 patches. Each example uses its own mask;
    its output is zero if no patch is completely known.
    """

    fuse_weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Only for the checkpoint: `_add_diagonals` is the convolution with this kernel.
        self.register_buffer("fuse_weight", torch.eye(3).view(1, 1, 3, 3))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        height, width = features.shape[-2:]
        with without_autocast(
            features.device
        ):  # bfloat16 rounds scores in the hundreds to integers
            weights = self._weights(features.to(mask.dtype), mask)
        patches = F.unfold(features, kernel_size=4, stride=2, padding=1)  # (B,16C,L)
        mixed = torch.bmm(patches, weights.transpose(1, 2))
        # Every pixel is covered by four of the overlapping patches.
        return F.fold(mixed, (height, width), kernel_size=4, stride=2, padding=1) / 4

    def _weights(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return the weights of patches in each patch: (B,L,L) [foreground, background]."""
        height, width = features.shape[-2:]
        known = _known_patches(mask).to(features.dtype)  # (B,1,L)
        scores = _fuse(_similarity(features), height // 2, width // 2)
        # As published, unknown patches have a score of 0 in the softmax and no weight after it, so
        # that the weights of a row need not sum to one.
        return (SOFTMAX_SCALE * scores * known).softmax(dim=2) * known


def _known_patches(mask: Tensor) -> Tensor:
    """Return patches with a complete 3x3 neighbourhood: (B,1,8p,8q) -> bool (B,1,p*q)."""
    missing = F.max_pool2d(mask[:, :, ::8, ::8], kernel_size=3, stride=1, padding=1)
    return missing.flatten(2) == 0


def _similarity(features: Tensor) -> Tensor:
    """Inner products of all 3x3 patches with all normalised ones: (B,L,L) [foreground, background].

    The floor is inside the root: it equals a floor of the norm, but a patch of zeros has no
    infinite gradient.
    """
    patches = F.unfold(features[:, :, ::2, ::2], kernel_size=3, padding=1)  # (B,9C,L)
    norms = patches.square().sum(dim=1, keepdim=True).clamp_min(NORM_FLOOR**2).sqrt()
    return torch.bmm(patches.transpose(1, 2), patches / norms)


def _fuse(scores: Tensor, rows: int, columns: int) -> Tensor:
    """Favour neighbouring patches that match neighbouring patches, along rows, then columns.

    Scores (B,L,L) with L = rows*columns in row-major order -> the same.
    """
    scores = _transpose_grids(_add_diagonals(scores), rows, columns)
    return _transpose_grids(_add_diagonals(scores), columns, rows)


def _add_diagonals(scores: Tensor) -> Tensor:
    """Convolve (B,L,L) with the 3x3 identity kernel: s[i,j] + s[i-1,j-1] + s[i+1,j+1]."""
    return _AddDiagonals.apply(scores)  # type: ignore[no-any-return]


class _AddDiagonals(torch.autograd.Function):
    """A sum over neighbours is its own adjoint; autograd would pad two gradients of its slices."""

    @staticmethod
    def forward(scores: Tensor) -> Tensor:
        total = scores.clone()
        total[:, 1:, 1:] += scores[:, :-1, :-1]
        total[:, :-1, :-1] += scores[:, 1:, 1:]
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Nothing to save: the function is linear."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _add_diagonals(gradients[0])


def _transpose_grids(scores: Tensor, rows: int, columns: int) -> Tensor:
    """Renumber both sides of (B,L,L) from row-major to column-major order."""
    grids = scores.reshape(-1, rows, columns, rows, columns)
    return grids.permute(0, 2, 1, 4, 3).reshape(scores.shape)
