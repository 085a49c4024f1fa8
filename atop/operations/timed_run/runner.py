"""Runs tasks one by one until the time is up."""

import gc
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from atop.core.errors import AtopError
from atop.core.files import writing
from atop.data.cache import ABOUT
from atop.experiment import paths
from atop.operations.timed_run.deadline import Deadline
from atop.operations.timed_run.queue import Command, Queue, Task, inputs_of
from atop.pipeline import datasets, prefetch
from atop.pipeline.prefetch import Need
from atop.pipeline.run import run

Say = Callable[[str], None]


@dataclass(kw_only=True)
class Tally:
    """Outcomes of the tasks of one call, by the file that each makes.

    Attributes:
        done: with the seconds of each.
        failed: with the reason.
        skipped: with the reason: too little time, or an input of another task that failed.
        stopped: the task that was running when the time was up.
        terminated: whether SIGTERM came before the time was up.
    """

    done: dict[Path, float] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    skipped: dict[Path, str] = field(default_factory=dict)
    stopped: Task | None = None
    terminated: bool = False


class Runner:
    """Runs tasks in this process, which imports torch once.

    Args:
        queue: of the tasks.
        device: of the tasks.
        say: prints a line for each task.
    """

    def __init__(self, queue: Queue, device: torch.device, say: Say) -> None:
        self.queue, self.device, self.say = queue, device, say
        self.tally = Tally()

    def run(self, tasks: list[Task], deadline: Deadline) -> None:
        """Run tasks in order until the deadline; after one fails, the others go on."""
        try:
            for task in tasks:
                if deadline.left <= 0:
                    break
                self.tally.stopped = task
                self._try(task, deadline)
                self.tally.stopped = None
        except SystemExit:
            self.tally.terminated = deadline.left > 0
            if self.tally.stopped:
                self.say(f"stopped            {self.tally.stopped.label}")

    def _try(self, task: Task, deadline: Deadline) -> None:
        if reason := self._reason_to_skip(task, deadline):
            self.tally.skipped[task.file] = reason
            self.say(f"skipped            {task.label}: {reason}")
            return
        start = time.monotonic()
        try:
            self._do(task)
        except Exception as error:  # a fault of one task must not cost the minutes of all others
            if not isinstance(error, AtopError):
                traceback.print_exc()
            reason = (str(error).splitlines() or [""])[0]
            if not isinstance(error, AtopError):
                reason = f"{type(error).__name__}: {reason}"
            self.tally.failed[task.file] = reason
            self.say(f"failed  {_took(start)}  {task.label}: {reason}")
        else:
            self.tally.done[task.file] = time.monotonic() - start
            self.say(f"done    {_took(start)}  {task.label}")
        finally:
            self._tidy()

    def _reason_to_skip(self, task: Task, deadline: Deadline) -> str | None:
        """The reason why a task is not started, if any."""
        if isinstance(task, Command):
            if task.failure.exists():
                return f"{task.failure.read_text().strip()}; delete {task.failure} to try again"
            if deadline.left < 60 * task.minutes:
                return f"needs {task.minutes:g} minutes"
            return None
        missing = {**self.tally.failed, **self.tally.skipped}
        for path in inputs_of(task):
            if path in missing:
                return f"needs {self.queue.tasks[path].label}"
        return None

    def _do(self, task: Task) -> None:
        if isinstance(task, Command):
            run_command(task)
            return
        for path in inputs_of(task):
            if not path.exists():
                fetch(path, self.queue.folder)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with suppress(OSError):  # reset the peak memory of this process
                Path("/proc/self/clear_refs").write_text("5")
        run(task, self.device)

    def _tidy(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def fetch(path: Path, folder: Path | None) -> None:
    """Fetch a dataset or public weights from a folder, or from this repository."""
    if path.name == ABOUT:
        datasets.fetch(path.parent.name, folder=folder, offline=True)
    elif paths.CHECKPOINTS in path.parents:
        need = Need("weights", str(path.relative_to(paths.CHECKPOINTS)), path, "")
        prefetch.fetch(need, folder=folder, offline=True)


def run_command(command: Command) -> None:
    """Run a command to its end.

    A command that fails keeps its output: some of the tests and benchmarks may fail, and the file
    names them. A command without output, or one that was stopped, is not tried again.

    Raises:
        AtopError: it failed.
    """
    for path in (command.log, command.failure):
        path.parent.mkdir(parents=True, exist_ok=True)
    command.failure.write_text("stopped before its end, or killed\n")
    with writing(command.file) as temporary:
        code = _exit_code(command, temporary)
        reason = f"exit code {code}" if code else f"no {command.file.name}"
        failure = AtopError(f"{reason} ({_last_line(command.log)}), see {command.log}")
        if code < 0 or not (temporary.exists() and temporary.stat().st_size):
            command.failure.write_text(f"{failure}\n")
            raise failure
    command.failure.unlink()
    if code:
        raise failure


def _exit_code(command: Command, output: Path) -> int:
    """Run a command, its terminal output in its log; a stop of this process ends it."""
    arguments = [each.replace("{makes}", str(output.resolve())) for each in command.arguments]
    arguments = [sys.executable if each == "python" else each for each in arguments]
    with command.log.open("w") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, start_new_session=True)
        try:
            return process.wait()
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a command that still runs, with its child processes."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _last_line(log: Path) -> str:
    return ([""] + [line for line in log.read_text(errors="replace").splitlines() if line])[-1]


def _took(start: float) -> str:
    seconds = time.monotonic() - start
    return f"{seconds:7.1f} s" if seconds < 600 else f"{seconds / 60:5.1f} min"
