"""Suspicion as data: each check looks at one record and returns named findings.

After Carlini et al. (2019) and AutoAttack's checks. A check reads by target: on a grey-box target a
weaker attack that hurts more is transfer, on the whole defence it is a sign of masked gradients.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Record = dict[str, Any]
Finding = dict[str, str]
MIN_POINTS = 5.0


def findings(record: Record) -> list[Finding]:
    """All findings of a record, in the order of the checks."""
    return [found for check in CHECKS for found in check(record)]


def accuracy(record: Record, attack: str) -> float:
    """Percent of examples classified rightly, mean over draws."""
    labels = np.array(record["labels"])
    for evaluation in record["evaluations"]:
        if evaluation["attack"] == attack:
            hits: npt.NDArray[np.bool_] = np.array(evaluation["predictions"]) == labels
            return float(hits.mean() * 100)
    raise KeyError(attack)


def _attacks(record: Record, method: str) -> list[Record]:
    return [one for one in record["evaluations"] if one["budget"]["method"] == method]


def _grey_box(record: Record) -> bool:
    return bool(record["victim"] != record["cell"]["id"])


def single_step_beats_iterative(record: Record) -> list[Finding]:
    """FGSM lowers accuracy further than PGD."""
    found = []
    for fgsm in _attacks(record, "fgsm"):
        for pgd in _attacks(record, "pgd"):
            one, many = accuracy(record, fgsm["attack"]), accuracy(record, pgd["attack"])
            if many - one > MIN_POINTS:
                why = (
                    "grey box: one-step examples transfer better, no evidence of masking"
                    if _grey_box(record)
                    else "a sign of masked gradients"
                )
                text = f"{fgsm['attack']} ({one:.1f}%) beats {pgd['attack']} ({many:.1f}%): {why}"
                found.append({"name": "single-step-beats-iterative", "text": text})
    return found


def more_steps_do_not_help(record: Record) -> list[Finding]:
    """PGD with more steps leaves clearly more accuracy than with fewer."""
    pgd = sorted(_attacks(record, "pgd"), key=lambda one: one["budget"]["steps"])
    found = []
    for fewer, more in pairwise(pgd):
        short, long = accuracy(record, fewer["attack"]), accuracy(record, more["attack"])
        if long - short > MIN_POINTS:
            text = f"{more['attack']} ({long:.1f}%) is weaker than {fewer['attack']} ({short:.1f}%)"
            if _grey_box(record):
                text += ": grey box, longer attacks fit the bare classifier and transfer less"
            found.append({"name": "more-steps-do-not-help", "text": text})
    return found


def unmoved_examples(record: Record) -> list[Finding]:
    """A gradient of zero leaves pictures as they are."""
    return [
        {
            "name": "zero-gradient",
            "text": f"{one['attack']} left {one['distance']['unmoved']:.1%} of pictures unchanged",
        }
        for one in record["evaluations"]
        if one["budget"].get("eps") and one["distance"]["unmoved"] > 0
    ]


def victim_survives(record: Record) -> list[Finding]:
    """An iterative white-box attack leaves the bare classifier standing: it is a weak attack."""
    if record["cell"]["purifier"] != "identity":
        return []
    found = []
    for pgd in _attacks(record, "pgd"):
        left = accuracy(record, pgd["attack"])
        if left > MIN_POINTS:
            text = (
                f"{pgd['attack']} leaves {left:.1f}% on the undefended classifier that it attacks"
            )
            found.append({"name": "weak-attack", "text": text})
    return found


CHECKS = (single_step_beats_iterative, more_steps_do_not_help, unmoved_examples, victim_survives)
