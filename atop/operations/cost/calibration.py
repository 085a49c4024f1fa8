"""Calibration: operations run for a few seconds on this device, by the code of the jobs."""

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
from atop.core.files import PACKAGE
from atop.core.memory import halving
from atop.core.progress import progress
from atop.experiment.workload import Operation, TrainingStep
from atop.operations.cost import ready
from atop.operations.cost.rates import Rate, Rates
from atop.pipeline.execution.timing import seconds_of

ENOUGH_S = 1.0
"""Seconds for which an operation is repeated."""

SMALL_BATCH = 2
"""Images at a time if a CPU measures a preset for a GPU."""

LONG_S = 5.0
"""Seconds of a run on a small batch that needs no warm-up."""

_JOB = """
import torch, atop.pipeline.evaluation.evaluate, atop.pipeline.training.jobs
torch.zeros(1, device='{}')
"""
_PEAK = Path("/proc/self/clear_refs")


def calibrate(
    rates: Rates, operations: Iterable[Operation], device: torch.device
) -> dict[str, str]:
    """Measure the operations without a rate; keep each rate at once.

    Returns:
        Reasons by operation, of those that this device cannot run.
    """
    unknown, failed = rates.unknown(operations), {}
    if rates.start is None:
        rates.add_start(_start(device))
    with progress("calibration", len(unknown), unit="operation") as bar:
        for operation in unknown:
            try:
                rates.add(operation, measure(operation, device))
            except torch.OutOfMemoryError:
                failed[str(operation)] = "does not fit into memory"
            except AtopError as error:
                failed[str(operation)] = str(error)
            bar.update()
    return failed


def measure(operation: Operation, device: torch.device) -> Rate:
    """The rate of an operation on a device.

    Raises:
        AtopError: a network cannot be built.
        torch.OutOfMemoryError: it does not fit, and a job would not halve its batch either.
    """
    ready.execution_of(operation, device)  # `auto` measures now, so that no peak counts it
    small = device.type == "cpu" and operation.preset.settings.device != "cpu"
    batch = min(SMALL_BATCH, operation.batch) if small else operation.batch
    if isinstance(operation, TrainingStep):
        build = partial(ready.training, operation, device, batch=batch)
        return _rate(build, device, small=small)
    draws = 1 if small else operation.draws

    def query(batch: int) -> Rate:
        build = partial(ready.query, operation, device, batch=batch, draws=draws)
        return _rate(build, device, small=small)

    return halving(query, batch)  # as an attack does


def _rate(build: Callable[[], ready.Ready], device: torch.device, *, small: bool) -> Rate:
    """Build an operation, warm up and time it; its peak is since before it was built."""
    torch.manual_seed(0)
    _forget_peak(device)
    operation = build()
    first = seconds_of(operation.run, device)
    seconds = first if small and first > LONG_S else _repeated(operation.run, device)
    weights = operation.trained.state_dict().values() if operation.trained else []
    size = sum(weight.numel() * weight.element_size() for weight in weights)
    return Rate(
        ms=1000 * seconds / operation.images,
        peak_mb=_peak_mb(device),
        small_batch=small,
        weights_mb=size / 2**20,
    )


def _repeated(run: Callable[[], None], device: torch.device) -> float:
    """Median seconds of a run, repeated until ENOUGH_S have passed."""
    times: list[float] = []
    while sum(times) < ENOUGH_S:
        times.append(seconds_of(run, device))
    return median(times)


def _forget_peak(device: torch.device) -> None:
    """Free unused memory and reset the peak, if the system can."""
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
    """Seconds of the start of a job: Python, imports, device."""
    command = [sys.executable, "-c", _JOB.format(device.type)]
    start = time.perf_counter()
    subprocess.run(command, cwd=PACKAGE.parent, check=True)
    return time.perf_counter() - start
