"""Records as the checks read them: entries of a suite, and how two entries differ."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from atop.core import stats
from atop.core.values import number
from atop.experiment import config
from atop.experiment.settings.attacks import parse_entry

Record = dict[str, Any]
Finding = dict[str, str]
Findings = Iterator[tuple[str, str]]
"""Name and text of each finding."""

MIN_POINTS = stats.MARGIN
"""Attacks that differ by at most this are equally strong, as two results below a table are."""

SMALL = 100
"""Texts name the number of examples if it is smaller: each example is then more than a point."""

NO_ATTACKS = ("clean", "noise")
"""Methods that search for nothing."""

_DEFAULTS = {"through": "exact", "loss": "cross_entropy", "average": "loss", "eot": 1}
# Keys that follow from others, name what a preset changed, or shorten all entries alike.
_IGNORED = ("step_size", "scaled", "examples")


@dataclass(frozen=True)
class Entry:
    """An entry of a suite with its outcomes.

    Attributes:
        name: NAME or NAME@TARGET.
        attack, target: the parts of the name; without TARGET the target is that of the record.
        budget: as run, with defaults of keys that a row may leave out.
        correct: (draws, n) outcomes.
        unmoved: share of images that the attack left unchanged.
        metadata: of the adversarial set; empty for clean images and in old records.
    """

    name: str
    attack: str
    target: str
    budget: Record
    correct: stats.Outcomes
    unmoved: float
    metadata: Record

    def __str__(self) -> str:
        """Name and accuracy, such as "pgd-20 (15.0%)"."""
        return f"{self.name} ({self.accuracy:.1f}%)"

    @property
    def accuracy(self) -> float:
        """Percent of examples classified correctly, mean over draws."""
        return 100 * float(self.correct.mean())

    @property
    def attacks(self) -> bool:
        """True for an attack, False for clean or noisy images."""
        return self.budget["method"] not in NO_ATTACKS

    @property
    def clean(self) -> bool:
        """True for clean images."""
        return bool(self.budget["method"] == "clean")

    @property
    def black_box(self) -> bool:
        """True for Square, the only attack here without gradients."""
        return bool(self.budget.get("attack") == "square")

    @property
    def exact(self) -> bool:
        """True for an attack that follows exact gradients."""
        return self.attacks and not self.black_box and bool(self.budget["through"] == "exact")

    @property
    def ball(self) -> tuple[Any, ...]:
        """The threat model: entries with equal balls may be compared."""
        return tuple(self.budget.get(key) for key in ("norm", "eps", "bound", "pixels"))

    def number(self, key: str) -> float:
        """Return a number of the budget."""
        return number(self.budget[key])

    def without(self, *keys: str) -> str:
        """Return target and budget without some keys, as text: equal texts, equal attacks."""
        left_out = (*keys, *_IGNORED)
        rest = {k: v for k, v in self.budget.items() if k not in left_out and v is not None}
        return json.dumps([self.target, rest], sort_keys=True)


@dataclass(frozen=True)
class Reading:
    """A record as the checks read it.

    Attributes:
        entries: in the order of the suite.
        target: of the suite: the target of entries that name none.
        grey_box: whether that target is not the cell itself.
        undefended: whether the cell is a bare classifier, trained on clean images.
        n: number of examples.
        probe: result of atop/pipeline/evaluation/gradient_probe.py; empty without one.
    """

    entries: tuple[Entry, ...]
    target: str
    grey_box: bool
    undefended: bool
    n: int
    probe: Record

    @property
    def own(self) -> tuple[Entry, ...]:
        """Entries on the suite's own target."""
        return tuple(entry for entry in self.entries if entry.target == self.target)

    @property
    def by_attack(self) -> dict[str, Entry]:
        """Entries on the suite's own target by the names of their attacks."""
        return {entry.attack: entry for entry in self.own}

    def starts_clean(self, entry: Entry) -> bool:
        """Return whether an attack starts from clean images, not from another attack's."""
        before = self.by_attack.get(entry.budget.get("after", ""))
        return "after" not in entry.budget or (before is not None and before.clean)

    def repeats(self, entry: Entry) -> Entry | None:
        """Return the entry from which an attack started without changing any outcome of it.

        The first entry of a chain that changed no outcome; None where an outcome was changed.
        """
        repeated, current = None, entry
        if entry.target != self.target:
            return None
        while (before := self.by_attack.get(current.budget.get("after", ""))) is not None:
            if not np.array_equal(before.correct, entry.correct):
                break
            repeated = current = before
        return repeated

    @property
    def sample_size(self) -> str:
        """The number of examples as the end of a text, where it is small."""
        return f", n = {self.n}" if self.n < SMALL else ""


def read(record: Record) -> Reading:
    """Read a record of any suite and of any age."""
    target, cell = record.get("target", ""), record["cell"]
    return Reading(
        entries=tuple(_entry(run, record["labels"], target) for run in record["evaluations"]),
        target=target,
        grey_box=record["victim"] != cell["id"],
        undefended=_undefended(cell),
        n=len(record["labels"]),
        probe=record.get("probe", {}),
    )


def _undefended(cell: Record) -> bool:
    row = config.classifiers().get(cell["classifier"])
    bare = cell["purifier"] == "identity" and cell["transform"] == "none"
    return bare and row is not None and row.training == "standard"


def _entry(evaluation: Record, labels: list[int], target: str) -> Entry:
    _, attack, target = parse_entry(evaluation["attack"], target)
    return Entry(
        name=evaluation["attack"],
        attack=attack,
        target=target,
        budget={**_DEFAULTS, **evaluation["budget"]},
        correct=np.array(evaluation["predictions"]) == np.array(labels),
        unmoved=evaluation["distance"]["unmoved"] or 0.0,
        metadata=evaluation.get("adversarial") or {},
    )


def clearly(higher: Entry, lower: Entry, points: float) -> stats.Paired | None:
    """Return by how much accuracy under one entry exceeds that under another, if clearly.

    That is by more than `points`, with a 95% interval on the same examples that excludes zero: few
    examples alone raise no suspicion.
    """
    if higher.accuracy - lower.accuracy <= points:  # saves the interval of most pairs, a second
        return None
    gap = stats.paired(higher.correct, lower.correct)
    return gap if gap.value > points and gap.low > 0 else None


def series(entries: Iterable[Entry], *keys: str, shortest: int = 2) -> list[list[Entry]]:
    """Return groups of attacks that differ only in numbers of their budget, in rising order.

    Of several `keys`, the numbers rise in the same ratio.
    """
    groups: dict[tuple[object, ...], dict[float, Entry]] = defaultdict(dict)
    for entry in entries:
        if entry.attacks and all(entry.budget.get(key) is not None for key in keys):
            first, *others = (entry.number(key) for key in keys)
            ratios = (number / first for number in others)
            groups[entry.without(*keys), *ratios][first] = entry
    ordered = [[group[value] for value in sorted(group)] for group in groups.values()]
    return [group for group in ordered if len(group) >= shortest]
