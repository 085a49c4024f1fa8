"""A module of the user's, random or not, as a classifier whose draws are ours."""

import inspect
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from atop.core.errors import AtopError
from atop.core.randomness import FIXED, Randomness

PROBED = 4
"""Images on which two draws are compared, to see whether a module is random."""


class UserModule(nn.Module):
    """(B, 3, H, W) in [0, 1] -> (B, classes) logits, of any module.

    A module whose `forward` has a parameter `randomness` gets the draws (core/randomness.py). They
    belong to an example, whatever its batch. For another module the global generators of torch,
    numpy and `random` are seeded before each call, by the draws of its batch, and set back after
    it. So no two draws are equal here either, but the outcome of an example depends on its batch.
    A draw that an attack knows is then made one example at a time.

    Args:
        module: as the user made it; its mode, training or not, stays.
        classes: number of logits.
        pixels: side length of the images with which it is asked whether it is random.
    """

    def __init__(self, module: nn.Module, *, classes: int, pixels: int) -> None:
        super().__init__()
        self.module, self.classes, self.pixels = module, classes, pixels
        self.takes_randomness: bool = "randomness" in inspect.signature(module.forward).parameters
        self.given_training: bool = module.training

    @property
    def seeded(self) -> bool:
        """Whether its draws come from global generators, which are seeded."""
        return self.random and not self.takes_randomness

    def train(self, mode: bool = True) -> "UserModule":
        """Keep the mode of the user's module: it is measured as it was given."""
        self.training = mode
        return self

    @cached_property
    def random(self) -> bool:
        """Whether two draws of some images differ, however little."""
        index = torch.arange(PROBED)
        weights = next(self.module.parameters(), torch.empty(0))
        images = Randomness(0, "is it random", index).uniform((3, self.pixels, self.pixels), "x")
        x, index = images.to(weights.device), index.to(weights.device)
        with torch.no_grad():
            first, second = (self(x, Randomness(0, "is it random", index, k)) for k in range(2))
        return not torch.equal(first, second)

    def forward(self, x: Tensor, randomness: Randomness) -> Tensor:
        """Return logits under a draw.

        Raises:
            AtopError: the module returns something else.
        """
        if self.takes_randomness:
            logits = self.module(x, randomness=randomness)
        elif randomness.stream == FIXED and len(x) > 1:
            parts = (slice(k, k + 1) for k in range(len(x)))
            logits = torch.cat([self._seeded(x[part], randomness.select(part)) for part in parts])
        else:
            logits = self._seeded(x, randomness)
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if shape != (len(x), self.classes):
            raise AtopError(
                f"{type(self.module).__name__} returns {shape} for {tuple(x.shape)} images; "
                f"expected logits, {(len(x), self.classes)}"
            )
        if x.requires_grad and not logits.requires_grad:  # the module cuts the graph
            logits = logits + 0 * x.flatten(1).sum(1, keepdim=True)
        return logits  # type: ignore[no-any-return]

    def _seeded(self, x: Tensor, randomness: Randomness) -> Any:
        with _generators(randomness.number(), x.device):
            return self.module(x)


@contextmanager
def _generators(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators for a block, and set them back after it."""
    theirs, pythons = np.random.get_state(), random.getstate()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(theirs)
            random.setstate(pythons)
