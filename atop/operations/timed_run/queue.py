"""The queue of the config as tasks in order, and the tasks that are left to do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from atop.core import files
from atop.core.errors import AtopError
from atop.data.cache import ABOUT
from atop.experiment import availability, config, paths, tables
from atop.experiment.presets import Preset
from atop.experiment.settings.runs import QueueItem
from atop.experiment.stages import plan
from atop.experiment.stages.attack import Attack
from atop.experiment.stages.stage import Stage
from atop.method.registry import module_of
from atop.operations.cost.machines import Machine


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of the queue.

    Attributes:
        arguments: of which `{makes}` is the path of its output.
        file: its output.
        minutes: with less time left it is not started.
    """

    arguments: tuple[str, ...]
    file: Path
    minutes: float

    @property
    def failure(self) -> Path:
        """The note that it failed or was stopped; it is not started again."""
        return paths.state(self.file).with_suffix(".txt")

    @property
    def log(self) -> Path:
        """Its output on the terminal."""
        return paths.RESULTS / "logs" / "timed-run" / f"{self.file.name}.log"

    @property
    def label(self) -> str:
        """Its output's name."""
        return f"command {self.file.name}"


Task = Stage | Command


class Queue:
    """The queue of a preset on a machine.

    Args:
        preset: of its tables.
        machine: that runs it.
        folder: of data and weights that are not here.

    Attributes:
        tasks: by the file that each makes, in order; inputs of a task come before it.
        left_out: reasons by item that is not run here.
    """

    def __init__(self, preset: Preset, machine: Machine, folder: Path | None) -> None:
        self.preset, self.machine, self.folder = preset, machine, folder
        self.tasks: dict[Path, Task] = {}
        self.left_out: dict[str, str] = {}
        self._current: dict[Path, bool] = {}
        self._missing: dict[Path, dict[str, None]] = {}
        for item in config.queue():
            for task in self._commands(item) if item.command else self._stages(item):
                self.tasks.setdefault(task.file, task)

    def _commands(self, item: QueueItem) -> Iterator[Command]:
        kind, name = "cuda" if self.machine.cuda else "cpu", self.machine.name
        command = Command(
            arguments=tuple(word.replace("{device}", name) for word in item.command or ()),
            file=files.HOME / str(item.makes).format(device=name),
            minutes=item.minutes or 0,
        )
        if item.preset != self.preset.name:
            self.left_out[command.label] = f"belongs to preset {item.preset}"
        elif item.device != kind:
            self.left_out[command.label] = f"belongs to {item.device}, and this is {kind}"
        else:
            yield command

    def _stages(self, item: QueueItem) -> list[Stage]:
        overrides = item.overrides.given()
        table = tables.table(str(item.table), self.preset, files=self.folder, **overrides)
        if item.rows:
            table = replace(table, rows=tuple(table.row(key) for key in item.rows))
        for row, column in table.numbers():
            if reason := table.missing(row, column):
                self.left_out[f"{table.name} {row.key}"] = reason
        return plan.of_tables([table])

    def to_do(self) -> list[Task]:
        """Tasks that are left, in order: goals, and inputs of goals that are not here.

        A goal is a record or the output of a command. A goal that is here needs no inputs: weights
        and adversarial sets are often left behind on another machine.
        """
        self.look_again()
        tasks: dict[Path, Task] = {}
        for goal in self.goals():
            if not self.missing(goal):
                self._collect(goal, tasks)
        return list(tasks.values())

    def _collect(self, task: Task, tasks: dict[Path, Task]) -> None:
        if task.file in tasks or self.current(task):
            return
        for path in inputs_of(task):
            if path in self.tasks:
                self._collect(self.tasks[path], tasks)
        tasks[task.file] = task

    def look_again(self) -> None:
        """Forget the state of the files."""
        self._current.clear()
        self._missing.clear()

    def goals(self) -> list[Task]:
        """All records and outputs of commands in the queue."""
        return [task for task in self.tasks.values() if _is_goal(task)]

    def current(self, task: Task) -> bool:
        """Whether a task is done, with the settings and inputs of today."""
        if task.file not in self._current:
            before = [self.tasks[path] for path in inputs_of(task) if path in self.tasks]
            here = [other for other in before if other.file.exists()]
            self._current[task.file] = task.file.exists() and (
                isinstance(task, Command) or (_up_to_date(task) and all(map(self.current, here)))
            )
        return self._current[task.file]

    def missing(self, task: Task) -> list[str]:
        """Inputs, direct or not, that neither are available nor can be made here."""
        if task.file not in self._missing:
            names: dict[str, None] = {}
            for path in () if self.current(task) else inputs_of(task):
                if path in self.tasks:
                    names |= dict.fromkeys(self.missing(self.tasks[path]))
                elif not self._available(path):
                    names[_name(path)] = None
            if isinstance(task, Attack) and (package := _missing_package(task)):
                names[f"the package {package}"] = None
            self._missing[task.file] = names
        return list(self._missing[task.file])

    def _available(self, path: Path) -> bool:
        if path.name == ABOUT:
            return availability.has_data(path.parent.name, self.folder)
        return availability.has_weights(path, self.folder)


def inputs_of(task: Task) -> list[Path]:
    """Files that a task reads."""
    return [] if isinstance(task, Command) else task.inputs


def _is_goal(task: Task) -> bool:
    return isinstance(task, Command) or task.kind == "evaluation"


def _name(path: Path) -> str:
    return f"dataset {path.parent.name}" if path.name == ABOUT else str(path)


def _missing_package(stage: Attack) -> str | None:
    """The package that an attack's module imports and that is not installed."""
    try:
        module_of("attacks", stage.spec.method)
    except ModuleNotFoundError as error:
        return error.name
    return None


def _up_to_date(stage: Stage) -> bool:
    """Whether a stage's metadata has today's fingerprint, and hashes of today's weights.

    Older metadata without a fingerprint is accepted.
    """
    try:
        metadata = files.read_json(stage.metadata)
        settings = metadata.get("settings", {})
        fingerprint = metadata.get("fingerprint") or settings.get("fingerprint")
    except (AtopError, AttributeError):
        return False
    if fingerprint and fingerprint != stage.fingerprint:
        return False
    hashes = set(re.findall(r"\b[0-9a-f]{64}\b", stage.metadata.read_text()))
    return all(_sha256(path) in hashes for path in stage.weights if path.exists())


def _sha256(path: Path) -> str:
    status = path.stat()
    return _cached_sha256(path, status.st_mtime_ns, status.st_size)


@cache
def _cached_sha256(path: Path, changed: int, size: int) -> str:
    return files.sha256(path)
