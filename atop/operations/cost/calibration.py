"""Calibration: passes run for a few seconds on this device, by the code that jobs run."""

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from ctypes import CDLL
from functools import partial
from pathlib import Path
from statistics import median

import torch

from atop.core.errors import AtopError
from atop.core.files import ROOT
from atop.core.memory import halving
from atop.core.progress import progress
from atop.experiment import config
from atop.operations.cost import ready
from atop.operations.cost.passes import Pass, Training
from atop.operations.cost.rates import Rate, Rates

ENOUGH_S = 1.0
"""Passes are repeated until so many seconds have passed."""

FEW = 2
"""Pictures at a time where a CPU does what a preset has for a GPU."""

LONG_S = 5.0
"""So long a run on so few pictures needs no other one before it that warms up."""

_JOB = """
import torch, atop.pipeline.evaluation.evaluate, atop.pipeline.training.jobs
torch.zeros(1, device='{}')
"""
_PEAK = Path("/proc/self/clear_refs")


def calibrate(rates: Rates, passes: Iterable[Pass], device: torch.device) -> dict[str, str]:
    """Measure passes of which the rate is not known; keep each as soon as it is.

    Returns:
        By the words of a pass that this device cannot run, why.
    """
    lacking, failed = rates.lacking(passes), {}
    if rates.start is None:
        rates.add_start(_start(device))
    with progress("calibration", len(lacking), unit="pass") as bar:
        for one in lacking:
            try:
                rates.add(one, measure(one, device))
            except torch.OutOfMemoryError:
                failed[one.words] = "does not fit into memory"
            except AtopError as error:
                failed[one.words] = str(error)
            bar.update()
    return failed


def measure(one: Pass, device: torch.device) -> Rate:
    """What a pass takes on a device.

    Raises:
        AtopError: a network cannot be built.
        torch.OutOfMemoryError: it does not fit, where a job would not take fewer pictures either.
    """
    few = device.type == "cpu" and config.preset(one.preset).device != "cpu"
    batch = min(FEW, one.batch) if few else one.batch
    if isinstance(one, Training):
        return _rate(partial(ready.training, one, device, batch=batch), device, few=few)
    draws = 1 if few else one.draws

    def look(batch: int) -> Rate:
        return _rate(partial(ready.look, one, device, batch=batch, draws=draws), device, few=few)

    return halving(look, batch)  # as an attack does


def _rate(build: Callable[[], ready.Ready], device: torch.device, *, few: bool) -> Rate:
    """Build a pass, warm up and time it; its peak is since before it was built."""
    torch.manual_seed(0)
    _forget_peak(device)
    made = build()
    first = _timed(made.run, device)
    seconds = first if few and first > LONG_S else _repeated(made.run, device)
    weights = made.learns.state_dict().values() if made.learns else []
    size = sum(one.numel() * one.element_size() for one in weights)
    return Rate(
        ms=1000 * seconds / made.pictures,
        peak_mb=_peak_mb(device),
        few=few,
        weights_mb=size / 2**20,
    )


def _repeated(run: Callable[[], None], device: torch.device) -> float:
    """Median seconds of a run, repeated until ENOUGH_S have passed."""
    times: list[float] = []
    while sum(times) < ENOUGH_S:
        times.append(_timed(run, device))
    return median(times)


def _timed(run: Callable[[], None], device: torch.device) -> float:
    """Seconds until the device has done a run."""
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _forget_peak(device: torch.device) -> None:
    """Give back what is free and let the peak start from the rest, where the system can."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif _PEAK.exists():
        with suppress(OSError, AttributeError):  # another C library, or no permission
            CDLL("libc.so.6").malloc_trim(0)
            _PEAK.write_text("5")


def _peak_mb(device: torch.device) -> float:
    """Peak of memory in MiB, measured as `provenance.Stopwatch` does."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _start(device: torch.device) -> float:
    """Seconds until a job has its Python, its imports and its device."""
    command = [sys.executable, "-c", _JOB.format(device.type)]
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True)
    return time.perf_counter() - start
