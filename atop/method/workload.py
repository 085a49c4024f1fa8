"""Workload of an attack, in queries of its target; each attack's file has a function `workload`."""

from dataclasses import dataclass
from typing import NamedTuple

from atop.core.values import Dict


class Queries(NamedTuple):
    """Queries for each attacked image: `times` queries of `draws` draws, perhaps with gradient."""

    gradient: bool
    draws: int
    times: int


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Upper limits of one run of an attack.

    Attributes:
        queries: of the target.
        candidates: number of results, of which the judge picks the worst of each example; None if
            the attack has a single result without a judge.
        early: it may stop early, or skip images.
        checks: logits of a batch for the attack's own checks, which also take one gradient.
        counts_classes: it queries the number of classes, once per batch.
    """

    queries: tuple[Queries, ...] = ()
    candidates: int | None = None
    early: bool = False
    checks: int = 0
    counts_classes: bool = False


def draws_of(row: Dict, *, random: bool) -> int:
    """Return the draws of a step; one is enough for a target without randomness."""
    return int(row.get("eot", 1)) if random else 1


def targets_of(row: Dict, *, classes: int) -> int:
    """Return the number of target classes, each of which takes a round."""
    return min(int(row.get("targets", 1)), classes - 1)
