"""The fastest of some executions, from timings of a few calls each."""

import time
from collections.abc import Callable, Mapping, Sequence

import torch

from atop.core.execution import Compute

ROUNDS = 3
"""Timings of a candidate, the best of which counts."""

FASTER = 0.95
"""Most of the plainest candidate's time that another one may take to be chosen."""

HOPELESS = 2.0
"""Times of the plainest candidate's time after which another one is timed no more."""

ENOUGH_S = 0.1
"""Seconds for which a call is repeated in a timing."""


def precisions(device: torch.device) -> set[str]:
    """Precisions that a device has; a CPU does not round as TF32 does."""
    if device.type != "cuda":
        return {"float32", "bfloat16"}
    ampere = torch.cuda.get_device_capability(device) >= (8, 0)
    return {"float32", "tf32", "bfloat16"} if ampere else {"float32"}


def seconds_of(run: Callable[[], None], device: torch.device) -> float:
    """Seconds of a call, until the device has finished."""
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def best_of(run: Callable[[], None], device: torch.device) -> float:
    """Seconds of the fastest of the calls that ENOUGH_S allow, at least one."""
    times: list[float] = []
    while sum(times) < ENOUGH_S:
        times.append(seconds_of(run, device))
    return min(times)


def measure(
    candidates: Sequence[Compute], seconds: Callable[[Compute], float]
) -> dict[Compute, float]:
    """Seconds of each candidate: the best of ROUNDS, in turn.

    Taking turns, candidates share what else slows the machine down. One that is hopeless in its
    first round has no other: bfloat16 takes up to 16 times as long on a CPU without instructions
    for it.

    Args:
        candidates: the plainest first.
        seconds: times a candidate; the first call for a candidate warms up.
    """
    best: dict[Compute, float] = {}
    for candidate in candidates:
        seconds(candidate)
        best[candidate] = seconds(candidate)
    limit = HOPELESS * best[candidates[0]]
    promising = [candidate for candidate in candidates if best[candidate] <= limit]
    for _ in range(ROUNDS - 1):
        for candidate in promising:
            best[candidate] = min(best[candidate], seconds(candidate))
    return best


def fastest(times: Mapping[Compute, float]) -> Compute:
    """The fastest candidate, or the first one if no other is clearly faster."""
    plainest, best = next(iter(times)), min(times, key=lambda candidate: times[candidate])
    return best if times[best] <= FASTER * times[plainest] else plainest
