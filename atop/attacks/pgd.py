"""PGD (Madry et al., 2018): steps along the sign of the gradient, projected back into the ball."""

from dataclasses import dataclass

from torch import Tensor

from atop.attacks._base import Target, cross_entropy, gradient, project_linf
from atop.config import number
from atop.randomness import Randomness


@dataclass(frozen=True, kw_only=True)
class PGD:
    """Linf PGD on the cross-entropy; the last iterate is the result."""

    eps: float
    step_size: float
    steps: int
    random_start: bool
    eot: int

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Adversarial pictures within Linf eps of x."""
        if not self.random_start:
            return self.run(target, x, y, randomness, start=x)
        noise = randomness.uniform(tuple(x.shape[1:]), "start").to(x.dtype)
        return self.run(target, x, y, randomness, start=x + self.eps * (2 * noise - 1))

    def run(
        self, target: Target, x: Tensor, y: Tensor, randomness: Randomness, *, start: Tensor
    ) -> Tensor:
        """The iteration from a given start, which is projected into the ball first."""
        x_adv = project_linf(start, x, self.eps)
        for step in range(self.steps):
            draw = randomness.at(randomness.draw + step)
            slope = gradient(target, x_adv, y, cross_entropy, draw, eot=self.eot)
            x_adv = project_linf(x_adv + self.step_size * slope.sign(), x, self.eps)
        return x_adv


def build(*, norm: str, eps: str, step_size: str, steps: int, random_start: bool, eot: int) -> PGD:
    """PGD as a row of attacks.yaml gives it."""
    if norm != "Linf":
        raise ValueError(f"pgd: norm {norm} is not implemented; it takes Linf")
    return PGD(
        eps=number(eps),
        step_size=number(step_size),
        steps=steps,
        random_start=random_start,
        eot=eot,
    )
