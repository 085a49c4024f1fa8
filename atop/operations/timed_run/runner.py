"""Does what is wanted, task by task, until the time is up."""

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
from atop.experiment.steps import Step
from atop.operations.timed_run.deadline import Deadline
from atop.operations.timed_run.queue import Command, Queue, Task, told
from atop.pipeline import datasets, prefetch
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.evaluation.evaluate import evaluate
from atop.pipeline.prefetch import Need
from atop.pipeline.training import jobs

Say = Callable[[str], None]


@dataclass(kw_only=True)
class Tally:
    """What became of the tasks of one call, by the file that each makes.

    Attributes:
        done: with the seconds that each took.
        failed: with the reason.
        skipped: for lack of another one's file, or of time, with the reason.
        stopped: what was running when the time was up.
        terminated: SIGTERM came before the time was up.
    """

    done: dict[Path, float] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    skipped: dict[Path, str] = field(default_factory=dict)
    stopped: Task | None = None
    terminated: bool = False


class Runner:
    """Does tasks in this process, which imports torch once.

    Args:
        queue: whose tasks they are.
        device: on which.
        say: is told a line a task.
    """

    def __init__(self, queue: Queue, device: torch.device, say: Say) -> None:
        self.queue, self.device, self.say = queue, device, say
        self.tally = Tally()

    def run(self, wanted: list[Task], deadline: Deadline) -> None:
        """Do tasks in order until the deadline; one that fails is told, and the others go on."""
        try:
            for task in wanted:
                if deadline.left <= 0:
                    break
                self.tally.stopped = task
                self._try(task, deadline)
                self.tally.stopped = None
        except SystemExit:
            self.tally.terminated = deadline.left > 0
            if self.tally.stopped:
                self.say(f"stopped            {told(self.tally.stopped)}")

    def _try(self, task: Task, deadline: Deadline) -> None:
        if reason := self._obstacle(task, deadline):
            self.tally.skipped[task.file] = reason
            self.say(f"skipped            {told(task)}: {reason}")
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
            self.say(f"failed  {_took(start)}  {told(task)}: {reason}")
        else:
            self.tally.done[task.file] = time.monotonic() - start
            self.say(f"done    {_took(start)}  {told(task)}")
        finally:
            self._tidy()

    def _obstacle(self, task: Task, deadline: Deadline) -> str | None:
        """Why a task is not begun."""
        if isinstance(task, Command):
            if task.tried.exists():
                return f"{task.tried.read_text().strip()}; delete {task.tried} to try it again"
            if deadline.left < 60 * task.minutes:
                return f"needs {task.minutes:g} minutes"
            return None
        not_made = {**self.tally.failed, **self.tally.skipped}
        for path in self.queue.needs(task):
            if path in not_made:
                return f"needs {told(self.queue.tasks[path])}"
        return None

    def _do(self, task: Task) -> None:
        if isinstance(task, Command):
            run_command(task)
            return
        for path in self.queue.needs(task):
            if not path.exists():
                bring(path, self.queue.folder)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with suppress(OSError):  # the peak of memory, which is the process's, begins again
                Path("/proc/self/clear_refs").write_text("5")
        run_step(task, self.device)

    def _tidy(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def bring(path: Path, folder: Path | None) -> None:
    """Fetch a dataset or public weights from a folder, or from this repository."""
    if path.name == ABOUT:
        datasets.fetch(path.parent.name, folder=folder, offline=True)
    elif paths.CHECKPOINTS in path.parents:
        need = Need("weights", str(path.relative_to(paths.CHECKPOINTS)), path, "")
        prefetch.fetch(need, folder=folder, offline=True)


def run_step(step: Step, device: torch.device) -> None:
    """Do a step as its verb does."""
    cell, preset = step.cell, step.preset
    if step.verb == "classifier":
        jobs.classifier(preset, cell.dataset, cell.classifier, device=device)
    elif step.verb == "pretrain":
        jobs.pretrain(preset, cell.dataset, cell.purifier, device=device)
    elif step.verb == "finetune":
        jobs.finetune(preset, cell, device=device)
    elif step.verb == "attack":
        make_adversarial(preset, cell, step.name, device=device)
    else:
        evaluate(preset, cell, step.name, step.target, device=device)


def run_command(command: Command) -> None:
    """Run a command to its end.

    A command that fails keeps the file that it made: of tests and benchmarks some may fail, and the
    file says so. One that made none, or was stopped, is not tried again.

    Raises:
        AtopError: it failed.
    """
    for path in (command.log, command.tried):
        path.parent.mkdir(parents=True, exist_ok=True)
    command.tried.write_text("stopped before its end, or killed\n")
    with writing(command.file) as temporary:
        code = _exit_code(command, temporary)
        what = f"exit code {code}" if code else f"no {command.file.name}"
        failure = AtopError(f"{what} ({_last_line(command.log)}), see {command.log}")
        if code < 0 or not (temporary.exists() and temporary.stat().st_size):
            command.tried.write_text(f"{failure}\n")
            raise failure
    command.tried.unlink()
    if code:
        raise failure


def _exit_code(command: Command, makes: Path) -> int:
    """How a command ended, whose words are said to the log; a stop ends it too."""
    words = [word.replace("{makes}", str(makes.resolve())) for word in command.words]
    words = [sys.executable if word == "python" else word for word in words]
    with command.log.open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        try:
            return process.wait()
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a command that was left half way, with all that it has started."""
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
