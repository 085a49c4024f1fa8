"""The purifier that changes nothing: the undefended classifier's place in the pipeline.

Behind a transform it is the control "no purifier". Holes stay black, which g never sees: it is told
where they are. `grey_fill` is the fairer control.
"""

from torch import Tensor, nn


class Identity(nn.Module):
    """(corrupted, mask) -> corrupted."""

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1], zero where the mask (B, 1, H, W) is 1 -> the same."""
        return corrupted


def build() -> Identity:
    """It has no options."""
    return Identity()
