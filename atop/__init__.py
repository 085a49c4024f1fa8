"""AToP benchmark suite: the numbers of Lin et al. (ICLR 2024), measured again."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atop.method.defense import Defense

__all__ = ["load_defense"]


def load_defense(cell: str, *, preset: str = "smoke") -> "Defense":
    """A trained defence of this checkout as one module, (B, 3, H, W) in [0, 1] -> logits, frozen.

    Run it from the root of the checkout, after the workflow has made the cell.

    Args:
        cell: such as "cifar10-resnet18-deepfill-places2-rt2-adversarial-paper-s0".
        preset: under which it was made.

    Raises:
        AtopError: no such cell, or it has not been made.
    """
    from atop.experiment import presets
    from atop.experiment.cells import Cell
    from atop.pipeline import assemble

    return assemble.defense(presets.get(preset), Cell.parse(cell))
