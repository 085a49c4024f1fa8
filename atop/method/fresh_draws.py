"""Fresh draws of a defence that is called as a plain module, `defense(x)`, by code of others."""

import itertools
import os
import secrets
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor

from atop.core.errors import AtopError
from atop.core.randomness import Randomness

ROUNDING = 1e-4
"""Distance from [0, 1] that is allowed; attacks of other libraries round."""


class FreshDraws:
    """A new draw for each call, which no call before had: in this process, or in another.

    Replicas of `nn.DataParallel` and copies share the count, so none repeats a draw of another.
    The global generators are not used: AutoAttack reseeds them before each attack.

    Args:
        seed: with which the draws of a process can be repeated; None draws one for each process.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._drawn = (os.getpid(), secrets.randbits(63))
        self._count: Iterator[int] = itertools.count(1)

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[int | None]]:
        return type(self), (self.seed,)

    def of(self, x: Tensor) -> Randomness:
        """Return a draw for the examples of a batch, which get the places 0, 1, ...

        Raises:
            AtopError: inside of a backward pass. Activation checkpointing calls a network again
                there, and a new draw would make the gradient wrong.
        """
        if torch._C._current_graph_task_id() != -1:
            raise AtopError(
                "a backward pass calls the defence again, as torch.utils.checkpoint does; it would "
                "draw anew: pass `randomness`, which makes both calls equal, or do not recompute"
            )
        seed = self._of_process() if self.seed is None else self.seed
        return Randomness(seed, "call", torch.arange(len(x), device=x.device), next(self._count))

    def _of_process(self) -> int:
        """Return the seed of this process; a fork has another than its parent."""
        process = os.getpid()
        if self._drawn[0] != process:
            self._drawn = (process, secrets.randbits(63))
        return self._drawn[1]


def check_images(x: Tensor) -> None:
    """Check that images are what attacks and defences here exchange.

    Raises:
        AtopError: x is not floating point, (B, 3, H, W) and in [0, 1].
    """
    if not x.is_floating_point():
        raise AtopError(f"images are {x.dtype}; expected floating point in [0, 1], so x / 255")
    if x.ndim != 4 or x.shape[1] != 3:
        raise AtopError(f"images are {tuple(x.shape)}; expected (B, 3, H, W)")
    low, high = map(float, torch.aminmax(x.detach())) if x.numel() else (0.0, 0.0)
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # NaN is not
        raise AtopError(f"images are in [{low:.4g}, {high:.4g}]; expected [0, 1]")
