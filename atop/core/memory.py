"""Batches that may be too large for memory."""

from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")


def halving(run: Callable[[int], T], size: int) -> T:
    """Return `run(size)`; halve the size each time that memory runs out.

    Raises:
        torch.OutOfMemoryError: not even size 1 fits.
    """
    while True:
        try:
            return run(size)
        except torch.OutOfMemoryError:
            if size <= 1:
                raise
        size //= 2  # after the handler, since the error keeps tensors alive
