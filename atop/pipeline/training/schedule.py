"""Learning rates and batches as functions of the step, so that a resumed run needs no state."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.optim import Optimizer

from atop.core.errors import AtopError
from atop.core.randomness import Randomness


def set_rate(
    optimizer: Optimizer,
    *,
    base: float,
    schedule: str,
    progress: float,
    warmup: float | None = None,
) -> None:
    """Set the learning rate for a step at `progress` in [0, 1).

    `constant` is `base` throughout; `cosine` rises linearly over the first tenth and falls to zero.
    With `warmup`, a part of all steps, it falls after that rise only, as for MAE.
    """
    factor = 1.0
    if schedule == "cosine":
        if warmup is None:
            factor = min(1.0, progress * 10 + 0.01) * _cosine(progress)
        elif progress < warmup:
            factor = progress / warmup
        else:
            factor = _cosine((progress - warmup) / (1 - warmup))
    for group in optimizer.param_groups:
        group["lr"] = base * factor


def _cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))


def positions(
    number: int, *, size: int, batch: int, seed: int, stream: str, device: torch.device
) -> tuple[Tensor, int]:
    """Positions of batch `number` in the dataset, and its epoch, which has whole batches only."""
    per_epoch = size // batch
    if per_epoch == 0:
        raise AtopError(f"a batch of {batch} does not fit a dataset of {size} images; lower batch")
    epoch, place = divmod(number, per_epoch)
    order = _order(size, seed, stream, epoch, device)
    return order[place * batch : (place + 1) * batch], epoch


@lru_cache(maxsize=2)
def _order(size: int, seed: int, stream: str, epoch: int, device: torch.device) -> Tensor:
    index = torch.zeros(1, dtype=torch.int64, device=device)
    return Randomness(seed, stream, index, epoch).permutation(size, "order")[0]
