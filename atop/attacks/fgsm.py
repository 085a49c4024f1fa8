"""FGSM (Goodfellow et al., 2015): one step along the sign of the gradient, no random start."""

from dataclasses import dataclass

from torch import Tensor

from atop.attacks._base import Target, cross_entropy, gradient, project_linf
from atop.config import number
from atop.randomness import Randomness


@dataclass(frozen=True, kw_only=True)
class FGSM:
    """x' = x + eps * sign(grad) inside [0, 1]; also makes the training examples of Algorithm 1."""

    eps: float
    eot: int

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Adversarial pictures within Linf eps of x."""
        slope = gradient(target, x, y, cross_entropy, randomness, eot=self.eot)
        return project_linf(x + self.eps * slope.sign(), x, self.eps)


def build(*, norm: str, eps: str, eot: int) -> FGSM:
    """FGSM as a row of attacks.yaml gives it."""
    if norm != "Linf":
        raise ValueError(f"fgsm: norm {norm} is not implemented; it takes Linf")
    return FGSM(eps=number(eps), eot=eot)
