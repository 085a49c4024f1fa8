"""Batches that may not fit into memory."""

from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")


def halving(run: Callable[[int], T], size: int) -> T:
    """Result of `run(size)`; whenever memory runs out, half of the size is tried.

    Raises:
        torch.OutOfMemoryError: not even size 1 fits.
    """
    while True:
        try:
            return run(size)
        except torch.OutOfMemoryError:
            if size <= 1:
                raise
        size //= 2  # outside of the handler: the error keeps alive what did not fit
