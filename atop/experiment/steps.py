"""Steps behind tables: what is trained, attacked and evaluated, each once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from atop.experiment import config, paths
from atop.experiment.cells import ANY, Cell
from atop.experiment.tables import Table

KINDS = ("training", "attacks", "evaluation")


@dataclass(frozen=True, kw_only=True)
class Step:
    """A job of the workflow.

    Attributes:
        kind: one of KINDS.
        verb: of `python -m atop`: classifier, pretrain, finetune, attack or evaluate.
        preset, cell: what it is called with.
        file: what it makes.
        name: of the attack, or of the suite.
        target: of an evaluation.
    """

    kind: str
    verb: str
    preset: str
    cell: Cell
    file: Path
    name: str = ""
    target: str = ""

    @property
    def made_for(self) -> str:
        """The cell that it was made for; of a pretrained purifier, its dataset and its name."""
        return f"{self.file.stem}-pretrained" if self.verb == "pretrain" else self.cell.id

    @property
    def account(self) -> Path:
        """What the job says of itself, its provenance among it."""
        return self.file.with_suffix(".json")


def of_tables(tables: Iterable[Table]) -> list[Step]:
    """All steps behind the records that some tables need and that can be made here, each once."""
    found: dict[Path, Step] = {}
    for table in tables:
        for row, column in table.numbers():
            cell, record = table.cell(row, column), table.record(row, column)
            if cell is None or record is None or record in found or table.lacks(row, column):
                continue
            for step in of_record(table.preset, cell, column.suite, column.target):
                found.setdefault(step.file, step)
    return list(found.values())


def of_record(preset: str, cell: Cell, suite: str, target: str) -> Iterator[Step]:
    """The evaluation of a cell, after all that it takes; a step may come twice."""
    yield from trained(preset, cell)
    for text in config.suite(suite, preset).attacks:
        attack, victim = config.entry(text, target)
        yield from attacked(preset, cell.victim(victim), attack)
    yield Step(
        kind="evaluation",
        verb="evaluate",
        preset=preset,
        cell=cell,
        file=paths.record(preset, cell, suite, target),
        name=suite,
        target=target,
    )


def attacked(preset: str, victim: Cell, attack: str) -> Iterator[Step]:
    """A set, after those that it goes on from and its victim's training; none of clean pictures."""
    budget = config.attack(attack, preset)
    if budget["method"] == "clean":
        return
    yield from trained(preset, victim)
    for name in [*(link["after"] for link in config.chain(budget, preset)[1:]), attack]:
        yield Step(
            kind="attacks",
            verb="attack",
            preset=preset,
            cell=victim,
            file=paths.adversarial(preset, victim, name),
            name=name,
        )


def trained(preset: str, cell: Cell) -> Iterator[Step]:
    """What is trained for a cell here and not given, each after the one it starts from."""

    def training(verb: str, of: Cell, file: Path) -> Step:
        return Step(kind="training", verb=verb, preset=preset, cell=of, file=file)

    classifier = paths.trained(preset, cell.dataset, cell.classifier)
    if paths.classifier(preset, cell.dataset, cell.classifier) == [classifier]:
        yield training("classifier", cell.bare, classifier)
    if cell.finetune == "classifier":
        yield training("finetune", cell.weights, paths.tuned(preset, cell))
    if cell.purifies:
        first = paths.pretrained(preset, cell)
        if paths.initial(preset, cell) == first:
            made = Cell(
                dataset=cell.dataset,
                classifier=ANY,
                purifier=cell.purifier,
                init="scratch",
                seed=config.preset(preset).seed,
            )
            yield training("pretrain", made, first)
        for one in (cell.base, cell.weights):
            yield training("finetune", one, paths.purifier(preset, one))
