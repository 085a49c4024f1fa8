"""DeepFillv2 as a purifier (paper, Section 4.1: the GAN-based purifier model)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from atop.method.purifiers.deepfill import checkpoint
from atop.method.purifiers.deepfill.discriminator import Discriminator
from atop.method.purifiers.deepfill.generator import SIZE_MULTIPLE, Generator
from atop.method.purifiers.deepfill.loss import GanLoss

__all__ = ["DeepFill", "Discriminator", "Generator", "build", "build_loss", "load_public"]


class DeepFill(nn.Module):
    """Purifier (corrupted, mask) -> image; all parameters live in `generator`.

    Heights and widths are multiples of `size_multiple`.
    """

    size_multiple = SIZE_MULTIPLE

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        """Corrupted (B,3,H,W) in [0,1] and mask (B,1,H,W), 1 = missing -> (B,3,H,W) in [0,1].

        What corrupted holds where it is missing has no influence.
        """
        return self.stages(corrupted, mask)[1]

    def stages(self, corrupted: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, but the coarse and the refined image, which the training losses need."""
        coarse, refined = self.generator((2 * corrupted - 1) * (1 - mask), mask)
        return (coarse + 1) / 2, (refined + 1) / 2


def build(*, width: int = 48) -> DeepFill:
    """A randomly initialised purifier; width 48 is the paper's and the public checkpoint's."""
    return DeepFill(Generator(width))


def build_loss(*, recipe: Mapping[str, Any], discriminator_width: int) -> GanLoss:
    """L_df with a randomly initialised discriminator; width 64 is the published one."""
    if recipe["gan"] == "off":
        return GanLoss(None, gan="off")
    judge = Discriminator(discriminator_width, recipe["spectral_norm"])
    return GanLoss(judge, gan=recipe["gan"])


def load_public(purifier: DeepFill, state: Mapping[str, Any], *, source: str) -> None:
    """Fill a purifier with public weights, strictly; see `checkpoint.load_public`."""
    checkpoint.load_public(purifier.generator, state, source=source)
