"""Sizes of batches in attacks: as large as the device gains from. Results do not depend on them."""

from typing import NamedTuple

import torch

TOGETHER = 256
"""Most images of a batch on a GPU, draws counted. They keep the GPU busy, and an interrupted batch,
which takes hundreds of such passes, is all that a stop costs."""

ROWS = 32
"""Images in one pass on a CPU, draws counted: larger passes make it no faster."""

PIXELS = 8 * 256**2
"""Most pixels in one pass on a CPU: a pass keeps some kilobytes for each, in memory that is new to
it. At 256 pixels, passes of 8 images take 0.42 of the time of passes of 32
(results/benchmarks/README.md)."""


class Batches(NamedTuple):
    """Images of a batch, and images of one pass with draws counted."""

    batch: int
    rows: int


def batches(
    batch: int, *, pixels: int, views: int = 1, eot: int = 1, device: torch.device
) -> Batches:
    """Return the sizes on a device.

    Args:
        batch: most images of a batch.
        pixels: side length at which the network works.
        views: of an image that the network processes.
        eot: draws over which a gradient is averaged.
        device: of the attack.
    """
    if device.type == "cuda":  # memory limits a pass
        return Batches(min(batch, max(1, TOGETHER // eot)), 1 << 30)
    most = max(1, PIXELS // (views * pixels**2))
    return Batches(min(batch, most), min(ROWS, most))
