"""What is next: the queue of the config as tasks in order, and which of them are left to do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from atop.core import files
from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.data.cache import ABOUT
from atop.experiment import availability, config, dag, fingerprints, paths, steps, tables
from atop.experiment.steps import Step
from atop.method.registry import module_of
from atop.operations.cost.machines import Machine


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of the queue.

    Attributes:
        words: of which `{makes}` is where it writes.
        file: what it makes.
        minutes: with fewer left it is not begun.
    """

    words: tuple[str, ...]
    file: Path
    minutes: float

    @property
    def tried(self) -> Path:
        """Where it is written down that it failed, or was stopped, and is not to be begun again."""
        return paths.state(self.file).with_suffix(".txt")

    @property
    def log(self) -> Path:
        """What it says."""
        return paths.RESULTS / "logs" / "spend" / f"{self.file.name}.log"


Task = Step | Command


def told(task: Task) -> str:
    """A task in a few words."""
    if isinstance(task, Command):
        return f"command {task.file.name}"
    of = task.file.stem if task.verb in ("classifier", "pretrain") else task.cell.id
    return " ".join(filter(None, (task.verb, task.name, of)))


class Queue:
    """The queue of a preset on a machine.

    Args:
        preset: whose tables it makes.
        machine: that it is done on.
        folder: where data and weights may lie that are not here.

    Attributes:
        tasks: by the file that each makes, in order; what a task takes comes before it.
        left_out: items that are not done here, with the reason.
    """

    def __init__(self, preset: str, machine: Machine, folder: Path | None) -> None:
        self.preset, self.machine, self.folder = preset, machine, folder
        self.tasks: dict[Path, Task] = {}
        self.left_out: dict[str, str] = {}
        self._current: dict[Path, bool] = {}
        self._lacks: dict[Path, dict[str, None]] = {}
        for item in config.read("queue")["queue"]:
            found = self._commands(item) if "command" in item else self._steps(item)
            for task in found:
                self.tasks.setdefault(task.file, task)

    def _commands(self, item: Dict) -> Iterator[Command]:
        kind = "cuda" if self.machine.cuda else "cpu"
        command = Command(
            words=tuple(word.replace("{device}", self.machine.name) for word in item["command"]),
            file=Path(item["makes"].format(device=self.machine.name)),
            minutes=item["minutes"],
        )
        if item["preset"] != self.preset:
            self.left_out[told(command)] = f"belongs to preset {item['preset']}"
        elif item["device"] != kind:
            self.left_out[told(command)] = f"belongs to {item['device']}, and this is {kind}"
        else:
            yield command

    def _steps(self, item: Dict) -> list[Step]:
        table = tables.table(item["table"], self.preset, files=self.folder, **item.get("words", {}))
        if "rows" in item:
            table = replace(table, rows=tuple(table.row(key) for key in item["rows"]))
        for row, column in table.numbers():
            if reason := table.lacks(row, column):
                self.left_out[f"{table.name} {row.key}"] = reason
        return steps.of_tables([table])

    def needs(self, task: Task) -> list[Path]:
        """The files that a task reads."""
        if isinstance(task, Command):
            return []
        if task.verb == "attack":
            return dag.attack(task.preset, task.cell, task.name)
        if task.verb == "evaluate":
            return dag.evaluate(task.preset, task.cell, task.name, task.target)
        if task.verb == "finetune":
            return dag.finetune(task.preset, task.cell)
        return [paths.dataset(task.cell.dataset)]

    def wanted(self) -> list[Task]:
        """What is left to do, in order: goals, and what they take that is not here.

        A goal is a record or what a command makes. One that is here needs nothing: neither weights
        nor adversarial sets, which travel less well.
        """
        self.look_again()
        found: dict[Path, Task] = {}
        for task in self.goals():
            if not self.lacks(task):
                self._want(task, found)
        return list(found.values())

    def _want(self, task: Task, found: dict[Path, Task]) -> None:
        if task.file in found or self.current(task):
            return
        for path in self.needs(task):
            if path in self.tasks:
                self._want(self.tasks[path], found)
        found[task.file] = task

    def look_again(self) -> None:
        """Forget what was found on disk."""
        self._current.clear()
        self._lacks.clear()

    def goals(self) -> list[Task]:
        """All records and files of commands that the queue asks for."""
        return [task for task in self.tasks.values() if _is_goal(task)]

    def current(self, task: Task) -> bool:
        """Whether a task is done, with today's settings and from what lies here today."""
        if task.file not in self._current:
            made = [self.tasks[path] for path in self.needs(task) if path in self.tasks]
            self._current[task.file] = task.file.exists() and (
                isinstance(task, Command)
                or (_as_set(task) and all(self.current(one) for one in made if one.file.exists()))
            )
        return self._current[task.file]

    def lacks(self, task: Task) -> list[str]:
        """What it takes, directly or not, that neither can be made here nor is at hand."""
        if task.file not in self._lacks:
            found: dict[str, None] = {}
            for path in () if self.current(task) else self.needs(task):
                if path in self.tasks:
                    found |= dict.fromkeys(self.lacks(self.tasks[path]))
                elif not self._at_hand(path):
                    found[_named(path)] = None
            if isinstance(task, Step) and (package := _package(task)):
                found[f"the package {package}"] = None
            self._lacks[task.file] = found
        return list(self._lacks[task.file])

    def _at_hand(self, path: Path) -> bool:
        if path.name == ABOUT:
            return availability.has_data(path.parent.name, self.folder)
        return availability.has_weights(path, self.folder)


def _is_goal(task: Task) -> bool:
    return isinstance(task, Command) or task.verb == "evaluate"


def _named(path: Path) -> str:
    return f"dataset {path.parent.name}" if path.name == ABOUT else str(path)


def _package(step: Step) -> str | None:
    """What an attack's module imports that is not installed."""
    if step.verb != "attack":
        return None
    try:
        module_of("attacks", config.attack(step.name, step.preset)["method"])
    except ModuleNotFoundError as error:
        return error.name
    return None


def _as_set(step: Step) -> bool:
    """Whether a step's account names today's settings, and the weights that it started from.

    An account without settings is older than this question, and believed.
    """
    try:
        account = files.read_json(step.account)
        said = account.get("fingerprint") or account.get("settings", {}).get("fingerprint")
    except (AtopError, AttributeError):
        return False
    if said and said != fingerprint(step):
        return False
    hashes = set(re.findall(r"\b[0-9a-f]{64}\b", step.account.read_text()))
    return all(_sha256(path) in hashes for path in _weights(step) if path.exists())


def fingerprint(step: Step) -> str:
    """Of today's settings of a step."""
    cell = step.cell
    if step.verb == "classifier":
        return fingerprints.classifier(step.preset, cell.dataset, cell.classifier)
    if step.verb == "pretrain":
        return fingerprints.pretrain(step.preset, cell.dataset, cell.purifier)
    if step.verb == "finetune":
        return fingerprints.finetune(step.preset, cell)
    if step.verb == "attack":
        return fingerprints.attack(step.preset, cell, step.name)
    return fingerprints.evaluate(step.preset, cell, step.name)


def _weights(step: Step) -> list[Path]:
    """The weights whose hashes a step's account holds."""
    if step.verb == "finetune":
        return dag.finetune(step.preset, step.cell)[1:]
    if step.verb in ("attack", "evaluate"):
        return dag.networks(step.preset, step.cell)[1:]
    return []


def _sha256(path: Path) -> str:
    found = path.stat()
    return _known_sha256(path, found.st_mtime_ns, found.st_size)


@cache
def _known_sha256(path: Path, changed: int, size: int) -> str:
    return files.sha256(path)
