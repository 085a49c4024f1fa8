"""Resizing of images, the same in all steps."""

import torch.nn.functional as F
from torch import Tensor


def resize(x: Tensor, size: int) -> Tensor:
    """(B, 3, H, W) -> (B, 3, size, size), bilinear, with antialiasing when it shrinks."""
    if x.shape[-1] == size and x.shape[-2] == size:
        return x
    return F.interpolate(
        x, (size, size), mode="bilinear", align_corners=False, antialias=size < x.shape[-1]
    )
