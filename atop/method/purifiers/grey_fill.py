"""A control without weights that fills missing pixels with grey and keeps all others.

If a trained purifier is not better, it has not learned to fill missing pixels, or it damages the
others.
"""

from torch import Tensor, nn

GREY = 0.5
"""The middle of [0, 1]."""


class GreyFill(nn.Module):
    """(corrupted, mask) -> corrupted, with grey in missing pixels."""

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] and mask (B, 1, H, W), 1 = missing -> filled."""
        return corrupted * (1 - mask) + GREY * mask


build = GreyFill
