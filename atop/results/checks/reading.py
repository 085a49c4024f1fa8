"""A record as the checks read it: its entries, and what two of them differ in."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from atop.core import stats
from atop.core.values import number
from atop.experiment import config

Record = dict[str, Any]
Finding = dict[str, str]
Found = Iterator[tuple[str, str]]
"""Name and text of each finding."""

MIN_POINTS = stats.MARGIN
"""Attacks that differ by no more are as good as one another, as two results are under a table."""

SMALL = 100
"""Below so many examples a text says how many: each is more than a point."""

_DEFAULTS = {"through": "exact", "loss": "cross_entropy", "average": "loss", "eot": 1}
NO_ATTACKS = ("clean", "noise")
"""Methods that look for nothing."""
# What follows from other keys, tells what a preset changed, or cuts all entries alike.
_ASIDE = ("step_size", "scaled", "examples")


@dataclass(frozen=True)
class Entry:
    """An entry of a suite with its outcomes.

    Attributes:
        name: NAME or NAME@VICTIM.
        attack, victim: of that name; the record's target where no victim is named.
        budget: as run, with what a row may leave out filled in.
        correct: (draws, n) outcomes.
        unmoved: share of pictures that the attack left as they are.
        account: of the adversarial set; empty for clean pictures and in old records.
    """

    name: str
    attack: str
    victim: str
    budget: Record
    correct: stats.Outcomes
    unmoved: float
    account: Record

    def __str__(self) -> str:
        """Name and accuracy, such as "pgd-20 (15.0%)"."""
        return f"{self.name} ({self.accuracy:.1f}%)"

    @property
    def accuracy(self) -> float:
        """Percent of examples classified rightly, mean over draws."""
        return 100 * float(self.correct.mean())

    @property
    def attacks(self) -> bool:
        """Whether it is an attack, and not clean or noisy pictures."""
        return self.budget["method"] not in NO_ATTACKS

    @property
    def clean(self) -> bool:
        """Whether it is clean images."""
        return bool(self.budget["method"] == "clean")

    @property
    def black_box(self) -> bool:
        """Whether it is the one attack here that takes no gradient, Square."""
        return bool(self.budget.get("attack") == "square")

    @property
    def exact(self) -> bool:
        """Whether it is an attack along exact gradients."""
        return self.attacks and not self.black_box and bool(self.budget["through"] == "exact")

    @property
    def ball(self) -> tuple[Any, ...]:
        """Where the attack may go: equal balls, equal threat."""
        return tuple(self.budget.get(key) for key in ("norm", "eps", "bound", "pixels"))

    def number(self, key: str) -> float:
        """A number of the budget."""
        return number(self.budget[key])

    def but(self, *keys: str) -> str:
        """Everything that was done, but for some keys of the budget: equal texts, equal attacks."""
        rest = {k: v for k, v in self.budget.items() if k not in (*keys, *_ASIDE) and v is not None}
        return json.dumps([self.victim, rest], sort_keys=True)


@dataclass(frozen=True)
class Reading:
    """A record as the checks read it.

    Attributes:
        entries: in the order of the suite.
        target: of the suite: whom an entry attacks that names no victim.
        grey_box: whether that is not the cell itself.
        undefended: whether the cell is a bare classifier.
        n: how many examples.
        probe: what atop/pipeline/evaluation/gradient_probe.py measured; empty if it did not.
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
        return tuple(one for one in self.entries if one.victim == self.target)

    @property
    def held(self) -> dict[str, Entry]:
        """Entries on the suite's own target by the names of their attacks."""
        return {one.attack: one for one in self.own}

    def began_clean(self, entry: Entry) -> bool:
        """Whether an attack went on from nothing but clean images."""
        before = self.held.get(entry.budget.get("after", ""))
        return "after" not in entry.budget or (before is not None and before.clean)

    def repeats(self, entry: Entry) -> Entry | None:
        """The attack, or the clean images, whose outcomes an attack that went on repeats.

        Of a chain that changed no outcome it is the first; None where something was changed.
        """
        found, current = None, entry
        if entry.victim != self.target:
            return None
        while (before := self.held.get(current.budget.get("after", ""))) is not None:
            if not np.array_equal(before.correct, entry.correct):
                break
            found = current = before
        return found

    @property
    def few(self) -> str:
        """The number of examples, where it is small."""
        return f", n = {self.n}" if self.n < SMALL else ""


def read(record: Record) -> Reading:
    """Read a record, of any suite and of any age."""
    target, cell = record.get("target", ""), record["cell"]
    return Reading(
        entries=tuple(_entry(one, record["labels"], target) for one in record["evaluations"]),
        target=target,
        grey_box=record["victim"] != cell["id"],
        undefended=cell["purifier"] == "identity" and cell["transform"] == "none",
        n=len(record["labels"]),
        probe=record.get("probe", {}),
    )


def _entry(evaluation: Record, labels: list[int], target: str) -> Entry:
    attack, victim = config.entry(evaluation["attack"], target)
    return Entry(
        name=evaluation["attack"],
        attack=attack,
        victim=victim,
        budget={**_DEFAULTS, **evaluation["budget"]},
        correct=np.array(evaluation["predictions"]) == np.array(labels),
        unmoved=evaluation["distance"]["unmoved"] or 0.0,
        account=evaluation.get("adversarial") or {},
    )


def clearly(higher: Entry, lower: Entry, points: float) -> stats.Paired | None:
    """How many points of accuracy one entry leaves more than another, if clearly so.

    That is, more than `points`, with a 95% interval on the same examples that leaves out zero: few
    examples alone make no suspicion.
    """
    if higher.accuracy - lower.accuracy <= points:  # most pairs; their interval would cost a second
        return None
    gap = stats.paired(higher.correct, lower.correct)
    return gap if gap.value > points and gap.low > 0 else None


def series(entries: Iterable[Entry], key: str) -> list[list[Entry]]:
    """Attacks that differ in one number of their budget alone, in its order; at least two each."""
    groups: dict[str, dict[float, Entry]] = defaultdict(dict)
    for one in entries:
        if one.attacks and one.budget.get(key) is not None:
            groups[one.but(key)][one.number(key)] = one
    ordered = [[group[value] for value in sorted(group)] for group in groups.values()]
    return [group for group in ordered if len(group) > 1]
