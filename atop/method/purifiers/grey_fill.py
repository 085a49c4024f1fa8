"""The control that fills holes with mid-grey and leaves the rest as it came; it has no weights.

A trained purifier that is no better has not learned to fill holes, or fills them at the price of
the pixels that were there.
"""

from torch import Tensor, nn

GREY = 0.5
"""The middle of [0, 1]."""


class GreyFill(nn.Module):
    """(corrupted, mask) -> corrupted where it is there, grey where it is missing."""

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1], missing where the mask (B, 1, H, W) is 1 -> filled."""
        return corrupted * (1 - mask) + GREY * mask


def build() -> GreyFill:
    """It has no options."""
    return GreyFill()
