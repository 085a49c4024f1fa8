"""What is timed, and against what: the device, its clock, and the most that it can multiply."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from atop.core.execution import Compute

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
Run = Callable[[], Any]


def timed(run: Run) -> tuple[Any, float]:
    """What a run returns and the seconds until the device has done it."""
    start = time.perf_counter()
    result = run()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return result, time.perf_counter() - start


@cache
def ceiling(precision: str) -> float:
    """TFLOP/s of a large product of matrices on this device, the best of five."""
    side = 8192 if DEVICE.type == "cuda" else 2048
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a = torch.rand(side, side, device=DEVICE, dtype=dtype)
    with Compute(precision=precision).arithmetic():
        times = [timed(lambda: a @ a)[1] for _ in range(6)][1:]
    return 2 * side**3 / min(times) / 1e12


def images(count: int, pixels: int) -> Tensor:
    """(count, 3, pixels, pixels) in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, pixels, pixels, generator=generator).to(DEVICE)
