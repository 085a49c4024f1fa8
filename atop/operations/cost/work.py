"""The work of a step: how many pictures go through which passes, and what it stores."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from atop.experiment import config
from atop.experiment.cells import ANY, Cell
from atop.experiment.steps import Step
from atop.operations.cost import counts
from atop.operations.cost.dataset_sizes import size_of
from atop.operations.cost.passes import Look, Pass, Training, random


@dataclass(kw_only=True)
class Work:
    """What a step does.

    Attributes:
        pictures: by pass, each draw of a picture counted.
        at_most: whether it may be less.
        disk: bytes of the set that it stores.
        held: bytes of images that it holds in memory beside those of a pass: a training its data.
    """

    pictures: Counter[Pass] = field(default_factory=Counter)
    at_most: bool = False
    disk: int = 0
    held: int = 0


def work_of(step: Step) -> Work:
    """The work of a step.

    Raises:
        AtopError: an attack that does not say what it takes.
    """
    of: dict[str, Callable[[Step], Work]]
    of = {"training": _training, "attacks": _attack, "evaluation": _evaluation}
    return of[step.kind](step)


def _training(step: Step) -> Work:
    """Whole batches; a curve along the way; the accuracy of a classifier in the end."""
    preset, cell, data = step.preset, step.cell, size_of(step.cell.dataset)
    training = Training(preset=preset, cell=cell, verb=step.verb)
    budget = training.budget
    batch, epochs = training.batch, budget.get("epochs", 0)
    steps = budget["images"] // batch if "images" in budget else epochs * (data.train // batch)
    work = Work(held=(data.train + data.held_out) * data.bytes)
    work.pictures[training] = steps * batch
    if step.verb == "classifier":
        look = _look(preset, cell, config.sizes(preset, cell)["input"], data.test)
        work.pictures[look(gradient=False, draws=1, how="evaluate")] += data.test
    elif step.verb == "finetune" and cell.weights.classifier != ANY:
        _add_curve(work, preset, cell, data.held_out)
    return work


def _add_curve(work: Work, preset: str, cell: Cell, held_out: int) -> None:
    """Accuracy on each set of a training curve, at every point and before; and its attacks."""
    told = config.preset(preset).curves
    if not told:
        return
    n, pixels = min(told.pictures, held_out), config.sizes(preset, cell)["input"]
    whole, bare = (_look(preset, one, pixels, n) for one in (cell, cell.bare))
    sets = 1 + len(told.attacks)
    seen = n * sets * (1 + told.points)
    work.pictures[whole(gradient=False, draws=1, how="train")] += seen
    classes = config.dataset(cell.dataset).classes
    for name in told.attacks:
        row = config.attack(name, preset)
        for gradient, draws, times in counts.of_method(row, random=True, classes=classes).queries:
            look = bare(gradient=gradient, draws=draws, how="train")
            work.pictures[look] += times * draws * n


def _attack(step: Step) -> Work:
    """Queries of the method, once a restart; of the judge; of the attack's own checks."""
    preset, cell, row = step.preset, step.cell, config.attack(step.name, step.preset)
    target = "classifier" if cell.undefended else "defense"
    n = config.examples(step.name, preset, cell.dataset, target)
    pixels = config.pixels(row, preset, cell)
    drawn, restarts = random(preset, cell), row.get("restarts", 1)
    differ = drawn and row.get("through") != "fixed"
    classes = config.dataset(cell.dataset).classes
    workload = counts.of_method(row, random=differ, classes=classes)
    work = Work(at_most=counts.at_most(row, workload), disk=n * 3 * pixels**2 * 4)
    look = partial(_look(preset, cell, pixels, n), through=row.get("through", "exact"))
    for gradient, draws, times in workload.queries:
        here = look(gradient=gradient, draws=draws, how="attack")
        work.pictures[here] += restarts * times * draws * n
    if workload.checks:
        first = look(gradient=False, draws=1, how="attack").batch
        logits = workload.checks * first
        if workload.counts_classes:
            logits += math.ceil(n / first)
        work.pictures[look(gradient=False, draws=1, how="attack")] += logits
        work.pictures[look(gradient=True, draws=1, how="attack")] += first
    if judged := counts.judged(row, workload):
        draws = row.get("judge", config.JUDGE) if drawn else 1
        judge = _look(preset, cell, pixels, n)(gradient=False, draws=draws, how="judge")
        work.pictures[judge] += judged * draws * n
    return work


def _evaluation(step: Step) -> Work:
    """Draws and selection draws of every entry of the suite."""
    preset, cell = step.preset, step.cell
    suite = config.suite(step.name, preset)
    attacks = [config.entry(text, step.target)[0] for text in suite.attacks]
    n = config.evaluated(step.name, preset, cell.dataset, step.target)
    work = Work()
    for attack in attacks:
        row = config.attack(attack, preset)
        pixels = config.pixels(row, preset, cell)
        if row.get("through") == "fixed":
            draws = 1
        elif random(preset, cell):
            draws = suite.draws + suite.selection
        else:
            draws = 1 + bool(suite.selection)
        look = _look(preset, cell, pixels, n)(gradient=False, draws=1, how="evaluate")
        work.pictures[look] += draws * n
    return work


def _look(preset: str, cell: Cell, pixels: int, n: int) -> Callable[..., Look]:
    """Looks at n pictures, in the preset's batches."""
    batch = min(n, config.preset(preset).evaluation.batch)
    return partial(Look, preset=preset, cell=cell, pixels=pixels, batch=batch)
