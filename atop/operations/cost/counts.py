"""How often each attack looks at its target, counted from atop/method/attacks/ and AutoAttack.

The tests compare the counts with what real runs classified.
"""

from typing import NamedTuple

from atop.core.errors import AtopError
from atop.core.values import Dict

FLAGS = 7
"""Logits of a batch that AutoAttack's checks ask for, beside one gradient."""


class Looks(NamedTuple):
    """Looks that each attacked picture gets, at `draws` draws of the target at once."""

    gradient: bool
    draws: int
    times: int


def of_method(row: Dict, *, random: bool, classes: int) -> list[Looks]:
    """Looks of one run of an attack's method, the most that there can be.

    Args:
        row: of attacks.yaml, under a preset.
        random: whether draws of the target differ; where they do not, one serves for all.
        classes: of the dataset.

    Raises:
        AtopError: a method that is not known here.
    """
    if row["method"] == "autoattack":
        return _of_autoattack(row, random=random, classes=classes)
    eot, steps = row.get("eot", 1) if random else 1, row.get("steps", 1)
    targets = min(row.get("targets", 1), classes - 1)
    known = {
        "noise": [],
        "fgsm": [Looks(True, eot, 1)],
        "pgd": _of_pgd(row.get("average", "loss"), eot, steps),
        # Which classes are likely, and a round for each.
        "multi_targeted": [Looks(False, eot, 1), Looks(True, eot, targets * steps)],
        # The clean image under every draw, too.
        "features": [Looks(True, eot, steps), Looks(False, eot, steps)],
        # A draw at a time, whatever the target.
        "cw": [Looks(True, 1, steps * row.get("eot", 1))],
        # It looks at its last iterate too.
        "stadv": [Looks(True, eot, steps + 1)],
    }
    if row["method"] not in known:
        unknown = (
            f"method {row['method']}: what it takes is not known to atop/operations/cost/counts.py"
        )
        raise AtopError(unknown)
    return known[row["method"]]


def _of_pgd(average: str, eot: int, steps: int) -> list[Looks]:
    """What is not linear in the draws is looked at first, without a gradient."""
    if average == "loss":
        return [Looks(True, eot, steps)]
    if average == "hardest":
        return [Looks(False, eot, steps), Looks(True, 1, steps)]
    return [Looks(True, eot, steps), Looks(False, eot, steps)]


def at_most(row: Dict) -> bool:
    """Whether an attack may look less often: it stops early, or leaves pictures alone."""
    return row["method"] in ("autoattack", "cw") or "after" in row


def gated(row: Dict, *, random: bool) -> bool:
    """Whether a row of AutoAttack runs as the library gates it."""
    return not random or row["version"] == "official"


def judged(row: Dict, *, random: bool, classes: int) -> int:
    """How often the judge looks at an attacked picture, each time at all of its draws.

    Args:
        row: of attacks.yaml, under a preset.
        random: whether draws of what the method attacks differ.
        classes: of the dataset.
    """
    restarts, runs = row.get("restarts", 1), min(row.get("targets", 1), classes - 1)
    found, several = 1, row["method"] in ("autoattack", "multi_targeted")
    if row["method"] == "multi_targeted":
        found = runs
    elif several and not gated(row, random=random) and row["attack"] != "square":
        found = 2 * runs  # the best and the last of each
    chosen = several or "after" in row or restarts > 1
    return ("after" in row) + (1 + restarts * found if chosen else 0)


def _of_autoattack(row: Dict, *, random: bool, classes: int) -> list[Looks]:
    """Gated, it asks who is classified rightly first; and again for each target."""
    if 0 in (row.get("steps"), row.get("queries")):
        return []
    eot = row["eot"] if random and "eot" in row else 1
    targets, steps = min(row.get("targets", 1), classes - 1), row.get("steps", 0)
    open_to_all = not gated(row, random=random)
    if row["attack"] == "square":  # its start, its queries, and what they came to
        return [Looks(False, eot, 1 + row["queries"] + (0 if open_to_all else 2))]
    if row["attack"] == "fab-t":  # who and which target it is, every step, and what it came to
        asked = targets * steps + 1 + (0 if open_to_all else 3 * targets)
        return [Looks(False, 1, asked), Looks(True, 1, targets * steps)]
    if open_to_all:
        # Each iterate is compared under draws that stay the same.
        which, seen = int(row["attack"] == "apgd-t"), targets * (steps + 1)
        return [Looks(False, eot, which + seen), Looks(True, eot, seen)]
    asked = 1 + (targets if row["attack"] == "apgd-t" else 0)
    return [Looks(False, 1, asked), Looks(True, 1, targets * (steps + 1) * eot)]
