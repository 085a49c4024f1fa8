"""One call of `spend`: bundles in, tasks until the deadline, bundles out."""

from contextlib import suppress
from pathlib import Path

import torch

from atop.operations.timed_run import archives, summary
from atop.operations.timed_run.deadline import StoppedError, until
from atop.operations.timed_run.queue import Queue
from atop.operations.timed_run.runner import Runner, Say


def spend(
    queue: Queue, *, device: torch.device, moment: float, folder: Path | None, say: Say
) -> int:
    """Do what is next until a moment; return the exit code.

    Args:
        queue: what there is to do.
        device: on which.
        moment: of the monotonic clock.
        folder: of bundles, if there is one.
        say: is told a line at a time.
    """
    if folder is not None:
        came, incomplete = archives.unpack(folder)
        for path in came:
            say(f"unpacked           {path}")
        for path in incomplete:
            say(f"incomplete         {path}: a bundle with a piece of it is not here")
    runner = Runner(queue, device, say)
    wanted = queue.wanted()
    with suppress(StoppedError), until(moment) as deadline:
        runner.run(wanted, deadline)
    for line in summary.summary(queue, runner.tally):
        say(line)
    if folder is not None:
        left_behind = archives.pack(archives.finished(queue), folder)
        for line in summary.bundles(archives.written(folder), left_behind):
            say(line)
    return 143 if runner.tally.terminated else 0
