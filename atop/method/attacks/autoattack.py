"""AutoAttack (Croce & Hein, 2020), one sub-attack at a time.

On a target whose draws do not differ it is the reference library's. On a random one the library
gates: it leaves alone whom its first look misclassifies, and reads success from the last draw
(version `official`); version `judged` attacks every image and hands the judge several candidates.

A chain, in which each sub-attack goes on with what the one before left, is the harness's. Unlike
with other attacks, an example's result depends on its batch: the library draws the starting points
of a batch at once.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict, number
from atop.method.attack import Target
from atop.method.attacks._ungated import candidates
from atop.method.autoattack_library import OPTIONS, flags, model_of, perturb, sub_attack
from atop.method.eot import Victim, expected_logits
from atop.method.threat_models import check_norm, project
from atop.method.workload import Queries, Workload, draws_of, targets_of

VERSIONS = ("judged", "official")


@dataclass(frozen=True, kw_only=True)
class SubAttack:
    """A sub-attack with its budget.

    Attributes:
        attack: a name of OPTIONS.
        version: how a random target is attacked, judged or official.
        average: it sees mean logits over this many draws (auto-attack issue 56).
        options: all that OPTIONS lists for it, by name.
    """

    attack: str
    version: str
    norm: str
    eps: float
    average: int
    options: dict[str, int]

    def flags(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> list[str]:
        """What the library's own checks object to in a target."""
        return flags(target, x, y, randomness)

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """The last of the candidates, which no judge has seen."""
        return self.candidates(target, x, y, randomness)[-1]

    def candidates(
        self, target: Target, x: Tensor, y: Tensor, randomness: Randomness
    ) -> list[Tensor]:
        """Adversarial images within eps of x (atop/method/attacks/_ungated.py).

        As the library runs it: one, x itself where nothing was found.
        """
        spent = 0 in (self.options.get("steps"), self.options.get("queries"))
        if spent or self.eps == 0 or not len(x):
            return [x.clone()]
        still = isinstance(target, Victim) and not target.random
        run = self._gated if still or self.version == "official" else self._ungated
        return run(target, x, y, randomness)

    def _ungated(
        self, target: Target, x: Tensor, y: Tensor, randomness: Randomness
    ) -> list[Tensor]:
        """What the iterations of the library come to, on everybody."""
        found = candidates(
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
        return [project(one.to(x.dtype), x, self.eps, self.norm) for one in found]

    def _gated(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> list[Tensor]:
        """What the library's `perturb` finds."""
        mean = partial(expected_logits, target, eot=self.average)
        model = model_of(target if self.average == 1 else mean, x, randomness)
        options = dict(self.options)
        if "targets" in options:
            options["targets"] = min(options["targets"], model(x[:1]).shape[1] - 1)
        if "eot" in options and isinstance(target, Victim) and not target.random:
            options["eot"] = 1
        method = sub_attack(
            self.attack, model, norm=self.norm, eps=self.eps, seed=randomness.seed, options=options
        )
        single = x.float()
        found = perturb(method, single, y)
        if found.dtype == x.dtype:
            return [found]
        # In a wider dtype x and the ball have digits that the library has not seen.
        x_adv = torch.where(found == single, x, found.to(x.dtype))
        return [project(x_adv, x, self.eps, self.norm)]


def build(*, norm: str, eps: str, attack: str, version: str, **options: int) -> SubAttack:
    """A sub-attack as a row of attacks.yaml gives it.

    Args:
        norm: Linf or L2.
        eps: radius of the ball, such as "8/255".
        attack: apgd-ce, apgd-dlr, apgd-t, fab-t or square.
        version: judged, or official: gated as the library gates it, where draws differ.
        options: steps of apgd and fab; targets of apgd-t and fab-t, the most likely wrong classes,
            of which there may be fewer; queries of square and whether to rescale its schedule to
            them; eot of apgd and square, the draws that a gradient or a query averages over.

    Raises:
        ValueError: a norm, attack or version that is not known, or options that are not all of its
            own.
    """
    if version not in VERSIONS:
        raise ValueError(f"autoattack: no version '{version}'; known are {', '.join(VERSIONS)}")
    if attack not in OPTIONS:
        raise ValueError(f"autoattack: no attack '{attack}'; known are {', '.join(OPTIONS)}")
    takes = (*OPTIONS[attack], *(["eot"] if attack == "square" else []))
    for name in sorted(options.keys() ^ set(takes)):
        word = "does not take" if name in options else "lacks"
        raise ValueError(f"autoattack: {attack} {word} '{name}'; it takes {', '.join(takes)}")
    return SubAttack(
        attack=attack,
        version=version,
        norm=check_norm("autoattack", norm),
        eps=number(eps),
        average=options.pop("eot") if attack == "square" else 1,
        options=options,
    )


CHECKS = 7
"""Logits of a batch that AutoAttack's checks ask for, beside one gradient."""


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """Gated, it asks who is classified correctly first; and again for each target."""
    gated = not random or row["version"] == "official"
    rounds = targets_of(row, classes=classes)
    judged = 1 if gated or row["attack"] == "square" else 2 * rounds  # best and last of each
    idle = 0 in (row.get("steps"), row.get("queries"))
    return Workload(
        queries=() if idle else _queries(row, rounds, draws_of(row, random=random), gated=gated),
        candidates=judged,
        early=True,
        checks=CHECKS,
        counts_classes="targets" in row and gated,
    )


def _queries(row: Dict, rounds: int, eot: int, *, gated: bool) -> tuple[Queries, ...]:
    if row["attack"] == "square":  # its start, its queries, and what they came to
        return (Queries(False, eot, 1 + row["queries"] + (2 if gated else 0)),)
    steps: int = row["steps"]
    if row["attack"] == "fab-t":  # who and which target it is, every step, and what it came to
        asked = rounds * steps + 1 + (3 * rounds if gated else 0)
        return Queries(False, 1, asked), Queries(True, 1, rounds * steps)
    which, seen = int(row["attack"] == "apgd-t"), rounds * (steps + 1)
    if not gated:  # each iterate is compared under draws that stay the same
        return Queries(False, eot, which + seen), Queries(True, eot, seen)
    return Queries(False, 1, 1 + which * rounds), Queries(True, 1, seen * eot)
