"""FGSM (Goodfellow et al., 2015): one step along the gradient, no random start."""

from dataclasses import dataclass

from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict, number
from atop.method.attack import Target, cross_entropy
from atop.method.eot import eot_gradient
from atop.method.threat_models import check_norm, project, steepest
from atop.method.workload import Queries, Workload, draws_of


@dataclass(frozen=True, kw_only=True)
class FGSM:
    """x' = x + eps * sign(grad) inside [0, 1]; also the training attack of Algorithm 1.

    Under L2 the step is along the gradient itself.
    """

    norm: str
    eps: float
    eot: int

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Return adversarial images within eps of x."""
        gradient = eot_gradient(target, x, y, cross_entropy, randomness, eot=self.eot).gradient
        step = steepest(gradient, "unit" if self.norm == "L2" else "sign")
        return project(x + self.eps * step, x, self.eps, self.norm)


def build(*, norm: str, eps: str, eot: int) -> FGSM:
    """Build the attack from a row of attacks.yaml."""
    return FGSM(norm=check_norm("fgsm", norm), eps=number(eps), eot=eot)


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """Count one gradient."""
    return Workload(queries=(Queries(True, draws_of(row, random=random), 1),))
