"""A timed run: unpack archives, run tasks until the deadline, write archives."""

from contextlib import suppress
from pathlib import Path

import torch

from atop.operations.timed_run import archives, summary
from atop.operations.timed_run.deadline import StoppedError, until
from atop.operations.timed_run.queue import Queue
from atop.operations.timed_run.runner import Runner, Say


def timed_run(
    queue: Queue, *, device: torch.device, moment: float, folder: Path | None, say: Say
) -> int:
    """Run tasks until a moment; return the exit code.

    Args:
        queue: of the tasks.
        device: of the tasks.
        moment: of the monotonic clock.
        folder: of archives, if there is one.
        say: prints a line.
    """
    if folder is not None:
        unpacked, incomplete = archives.unpack(folder)
        for path in unpacked:
            say(f"unpacked           {path}")
        for path in incomplete:
            say(f"incomplete         {path}: an archive with a piece of it is not here")
    runner, tasks = Runner(queue, device, say), queue.to_do()
    with suppress(StoppedError), until(moment) as deadline:
        runner.run(tasks, deadline)
    for line in summary.summary(queue, runner.tally):
        say(line)
    if folder is not None:
        left_behind = archives.pack(archives.finished(queue), folder)
        for line in summary.of_archives(archives.written(folder), left_behind):
            say(line)
    return 143 if runner.tally.terminated else 0
