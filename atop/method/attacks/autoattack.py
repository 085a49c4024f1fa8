"""AutoAttack (Croce & Hein, 2020), one sub-attack at a time.

On a deterministic target it is the reference library's. On a random target there are two versions.
`official` is the library's: it skips images that its first query misclassifies, and judges success
by the last draw. `judged` attacks every image and gives the judge several candidates.

The pipeline runs the chain of sub-attacks. Unlike with other attacks, an example's result depends
on its batch, because the library draws the starting points of a batch together.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict, number
from atop.method.attack import Target
from atop.method.attacks._ascent import check_choice
from atop.method.attacks._ungated import candidates
from atop.method.autoattack_library import OPTIONS, flags, model_of, perturb, sub_attack
from atop.method.eot import BatchedTarget, expected_logits
from atop.method.threat_models import check_norm, project
from atop.method.workload import Queries, Workload, draws_of, targets_of

VERSIONS = ("judged", "official")


@dataclass(frozen=True, kw_only=True)
class SubAttack:
    """A sub-attack with its budget.

    Attributes:
        attack: a name of OPTIONS.
        version: for random targets, judged or official.
        average: number of draws whose mean logits it gets (auto-attack issue 56).
        options: values of all OPTIONS of the attack.
    """

    attack: str
    version: str
    norm: str
    eps: float
    average: int
    options: dict[str, int]

    def flags(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> list[str]:
        """Return the warnings of the library's own checks."""
        return flags(target, x, y, randomness)

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Return the last of the candidates, without a judge."""
        return self.candidates(target, x, y, randomness)[-1]

    def candidates(
        self, target: Target, x: Tensor, y: Tensor, randomness: Randomness
    ) -> list[Tensor]:
        """Return adversarial images within eps of x (atop/method/attacks/_ungated.py).

        The library's version returns one, which is x itself if no adversarial image was found.
        """
        no_budget = 0 in (self.options.get("steps"), self.options.get("queries"))
        if no_budget or self.eps == 0 or not len(x):
            return [x.clone()]
        gated = not _is_random(target) or self.version == "official"
        run = self._gated if gated else self._ungated
        return run(target, x, y, randomness)

    def _ungated(
        self, target: Target, x: Tensor, y: Tensor, randomness: Randomness
    ) -> list[Tensor]:
        """Run the library's iterations on all images."""
        batches = candidates(
            self.attack,
            target,
            x,
            y,
            randomness,
            norm=self.norm,
            eps=self.eps,
            average=self.average,
            options=self.options,
        )
        return [project(batch.to(x.dtype), x, self.eps, self.norm) for batch in batches]

    def _gated(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> list[Tensor]:
        """Run the library's `perturb`."""
        mean = partial(expected_logits, target, eot=self.average)
        model = model_of(target if self.average == 1 else mean, x, randomness)
        options = dict(self.options)
        if "targets" in options:
            options["targets"] = min(options["targets"], model(x[:1]).shape[1] - 1)
        if "eot" in options and not _is_random(target):
            options["eot"] = 1
        method = sub_attack(
            self.attack, model, norm=self.norm, eps=self.eps, seed=randomness.seed, options=options
        )
        single = x.float()
        adversarial = perturb(method, single, y)
        if adversarial.dtype == x.dtype:
            return [adversarial]
        # In a wider dtype, x and the ball have digits that the library rounds off.
        x_adv = torch.where(adversarial == single, x, adversarial.to(x.dtype))
        return [project(x_adv, x, self.eps, self.norm)]


def _is_random(target: Target) -> bool:
    return not isinstance(target, BatchedTarget) or target.random


def build(*, norm: str, eps: str, attack: str, version: str, **options: int) -> SubAttack:
    """Build a sub-attack from a row of attacks.yaml.

    The options are steps of apgd and fab; targets of apgd-t and fab-t, the number of most likely
    wrong classes; queries of square, and whether to rescale its schedule to them; eot of apgd and
    square, the number of draws of a gradient or a query.

    Raises:
        ValueError: an unknown norm, attack or version; a missing or unknown option.
    """
    check_choice("autoattack", "version", version, VERSIONS)
    check_choice("autoattack", "attack", attack, OPTIONS)
    takes = (*OPTIONS[attack], *(["eot"] if attack == "square" else []))
    for name in sorted(options.keys() ^ set(takes)):
        problem = "does not take" if name in options else "lacks"
        raise ValueError(f"autoattack: {attack} {problem} '{name}'; it takes {', '.join(takes)}")
    return SubAttack(
        attack=attack,
        version=version,
        norm=check_norm("autoattack", norm),
        eps=number(eps),
        average=options.pop("eot") if attack == "square" else 1,
        options=options,
    )


CHECKS = 7
"""Logits of a batch for AutoAttack's checks, which also take one gradient."""


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """Count queries; if gated, also for the correctly classified images, per target class."""
    gated = not random or row["version"] == "official"
    rounds = targets_of(row, classes=classes)
    judged = 1 if gated or row["attack"] == "square" else 2 * rounds  # best and last of each
    no_budget = 0 in (row.get("steps"), row.get("queries"))
    eot = draws_of(row, random=random)
    return Workload(
        queries=() if no_budget else _queries(row, rounds, eot, gated=gated),
        candidates=judged,
        early=True,
        checks=CHECKS,
        counts_classes="targets" in row and gated,
    )


def _queries(row: Dict, rounds: int, eot: int, *, gated: bool) -> tuple[Queries, ...]:
    if row["attack"] == "square":  # the start, its queries, and the result
        return (Queries(False, eot, 1 + row["queries"] + (2 if gated else 0)),)
    steps: int = row["steps"]
    if row["attack"] == "fab-t":  # correct images and target classes, every step, the results
        logits = rounds * steps + 1 + (3 * rounds if gated else 0)
        return Queries(False, 1, logits), Queries(True, 1, rounds * steps)
    targeted, iterates = int(row["attack"] == "apgd-t"), rounds * (steps + 1)
    if not gated:  # iterates are compared under the same draws
        return Queries(False, eot, targeted + iterates), Queries(True, eot, iterates)
    return Queries(False, 1, 1 + targeted * rounds), Queries(True, 1, iterates * eot)
