"""MultiTargeted (Gowal et al., 2019, arXiv 1910.09338): a round of PGD for each likely wrong class.

An untargeted loss leads to the class that is nearest at the start; another class may be nearer at
the border of the ball.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict
from atop.method.attack import Target, margin
from atop.method.attacks._ascent import Ascent, ascent
from atop.method.eot import eot_gradient, expected_logits
from atop.method.workload import Queries, Workload, draws_of, targets_of


@dataclass(frozen=True, kw_only=True)
class MultiTargeted:
    """PGD on the target's logit minus the true one, for each of the likeliest wrong classes.

    Attributes:
        ascent: the ball, the steps of each round and their start.
        eot: number of draws per step.
        targets: number of target classes, if the dataset has as many wrong ones.
    """

    ascent: Ascent
    eot: int
    targets: int

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Return each image's candidate of the highest expected margin."""
        after = randomness.at(int(randomness.draw) + self._steps(self.targets))
        best, highest = x, torch.full_like(x[:, 0, 0, 0], -torch.inf)
        for candidate in self.candidates(target, x, y, randomness):
            margins = margin(expected_logits(target, candidate, after, eot=self.eot), y)
            best = torch.where((margins > highest)[:, None, None, None], candidate, best)
            highest = torch.maximum(margins, highest)
        return best

    def candidates(
        self, target: Target, x: Tensor, y: Tensor, randomness: Randomness
    ) -> list[Tensor]:
        """Return adversarial images within eps of x, a batch for each target class."""
        wrong = likeliest_wrong(expected_logits(target, x, randomness, eot=self.eot), y)
        return [
            self._round(target, x, torch.stack((classes, y), 1), randomness, number)
            for number, classes in enumerate(wrong[:, : self.targets].unbind(1))
        ]

    def _round(
        self, target: Target, x: Tensor, pairs: Tensor, randomness: Randomness, number: int
    ) -> Tensor:
        """Run PGD for a target class; `pairs` (B, 2) holds the target and the true class."""
        first = randomness.at(int(randomness.draw) + self._steps(number))

        def gradient(x_adv: Tensor, draw: Randomness) -> Tensor:
            return eot_gradient(target, x_adv, pairs, towards, draw, eot=self.eot).gradient

        return self.ascent.run(gradient, x, first)

    def _steps(self, rounds: int) -> int:
        """Count the first query, which gives the classes, and the steps of some rounds."""
        return 1 + rounds * self.ascent.steps


def towards(logits: Tensor, pairs: Tensor) -> Tensor:
    """Return (B,) logits of the first class of pairs (B, 2) minus those of the second."""
    both = logits.gather(1, pairs)
    return both[:, 0] - both[:, 1]


def likeliest_wrong(logits: Tensor, y: Tensor) -> Tensor:
    """Return (B, classes - 1) wrong classes, the highest logit first."""
    order = logits.argsort(dim=1, descending=True, stable=True)
    return order[order != y[:, None]].reshape(len(y), -1)


def build(*, eot: int, targets: int, **options: Any) -> MultiTargeted:
    """Build the attack from a row of attacks.yaml; `options` are those of an ascent."""
    return MultiTargeted(ascent=ascent("multi_targeted", **options), eot=eot, targets=targets)


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """Count a query for the likely classes and a round for each, whose result is a candidate."""
    eot, targets = draws_of(row, random=random), targets_of(row, classes=classes)
    rounds = Queries(True, eot, targets * row["steps"])
    return Workload(queries=(Queries(False, eot, 1), rounds), candidates=targets)
