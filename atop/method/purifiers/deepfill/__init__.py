"""DeepFillv2 as a purifier (paper, Section 4.1: the GAN-based purifier model)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from atop.method.purifiers.deepfill import checkpoint
from atop.method.purifiers.deepfill.discriminator import Discriminator
from atop.method.purifiers.deepfill.generator import SIZE_MULTIPLE, Generator
from atop.method.purifiers.deepfill.initialise import pass_through
from atop.method.purifiers.deepfill.loss import GanLoss

__all__ = ["DeepFill", "Discriminator", "Generator", "build", "build_loss", "load_public"]


class DeepFill(nn.Module):
    """Purifier (corrupted, mask) -> image; `generator` has all parameters.

    Heights and widths are multiples of `size_multiple`.
    """

    size_multiple = SIZE_MULTIPLE

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        """Corrupted (B,3,H,W) in [0,1] and mask (B,1,H,W), 1 = missing -> (B,3,H,W) in [0,1].

        Missing pixels of corrupted have no influence.
        """
        return self.stages(corrupted, mask)[1]

    def stages(self, corrupted: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the coarse and the refined image of `forward`, for the training losses."""
        coarse, refined = self.generator((2 * corrupted - 1) * (1 - mask), mask)
        return (coarse + 1) / 2, (refined + 1) / 2


def build(*, width: int = 48) -> DeepFill:
    """Build a purifier that passes images through; the public checkpoint has width 48."""
    generator = Generator(width)
    pass_through(generator)
    return DeepFill(generator)


def build_loss(*, recipe: Mapping[str, Any], discriminator_width: int) -> GanLoss:
    """Build L_df with a random discriminator; the published width is 64."""
    if recipe["gan"] == "off":
        return GanLoss(None, gan="off")
    discriminator = Discriminator(discriminator_width, recipe["spectral_norm"])
    return GanLoss(discriminator, gan=recipe["gan"])


def load_public(purifier: DeepFill, state: Mapping[str, Any], *, source: str) -> None:
    """Fill a purifier strictly with public weights; see `checkpoint.load_public`."""
    checkpoint.load_public(purifier.generator, state, source=source)
