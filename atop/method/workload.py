"""How often an attack asks its target: each attack's file says it with a function `workload`."""

from dataclasses import dataclass
from typing import NamedTuple

from atop.core.values import Dict


class Queries(NamedTuple):
    """Queries that each attacked image gets, at `draws` draws of the target at once."""

    gradient: bool
    draws: int
    times: int


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What one run of an attack takes, the most that there can be.

    Attributes:
        queries: of the target; none of an attack that looks at nothing.
        candidates: results of a run, of which the judge picks the worst of each example; None of
            an attack whose one result is taken as it is.
        early: whether it may stop early, or leave images alone.
        checks: logits of a batch that the attack's own checks ask for, beside one gradient.
        counts_classes: whether it asks how many classes there are, once a batch.
    """

    queries: tuple[Queries, ...] = ()
    candidates: int | None = None
    early: bool = False
    checks: int = 0
    counts_classes: bool = False


def draws_of(row: Dict, *, random: bool) -> int:
    """Draws of a step: where those of the target do not differ, one serves for all."""
    return int(row.get("eot", 1)) if random else 1


def targets_of(row: Dict, *, classes: int) -> int:
    """How many classes an attack is after, each in a round of its own."""
    return min(int(row.get("targets", 1)), classes - 1)
