"""PGD (Madry et al., 2018), with expectation over the target's draws (Athalye et al., 2018b)."""

from dataclasses import dataclass

from torch import Tensor

from atop.attacks._balls import check_norm, project, random_start, steepest
from atop.attacks._base import LOSSES, Target
from atop.attacks._draws import slope, slope_of_mean
from atop.config import number
from atop.randomness import Randomness


@dataclass(frozen=True, kw_only=True)
class PGD:
    """Steps along the gradient, projected back into the ball; the last iterate is the result.

    Attributes:
        direction: of a step: the `sign` of the gradient, or the `unit` vector along it.
        loss: a name of LOSSES.
        average: over draws, of the `loss`, or of the `logits` that the loss then takes.
    """

    norm: str
    eps: float
    step_size: float
    steps: int
    random_start: bool
    eot: int
    direction: str
    loss: str
    average: str

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Adversarial pictures within eps of x."""
        start = random_start(x, self.eps, self.norm, randomness) if self.random_start else x
        return self.run(target, x, y, randomness, start=start)

    def run(
        self, target: Target, x: Tensor, y: Tensor, randomness: Randomness, *, start: Tensor
    ) -> Tensor:
        """The iteration from a given start, which is projected into the ball first."""
        look = slope_of_mean if self.average == "logits" else slope
        x_adv = project(start, x, self.eps, self.norm)
        for step in range(self.steps):
            draw = randomness.at(int(randomness.draw) + step)
            found = look(target, x_adv, y, LOSSES[self.loss], draw, eot=self.eot)
            x_adv = x_adv + self.step_size * steepest(found.gradient, self.direction)
            x_adv = project(x_adv, x, self.eps, self.norm)
        return x_adv


def build(
    *,
    norm: str,
    eps: str,
    step_size: str,
    steps: int,
    random_start: bool,
    eot: int,
    direction: str | None = None,
    loss: str = "cross_entropy",
    average: str = "loss",
) -> PGD:
    """PGD as a row of attacks.yaml gives it; steps follow the norm unless it names a direction.

    Raises:
        ValueError: a norm, direction, loss or average that is not known.
    """
    direction = direction or ("unit" if norm == "L2" else "sign")
    for what, name, known in (
        ("direction", direction, ("sign", "unit")),
        ("loss", loss, LOSSES),
        ("average", average, ("loss", "logits")),
    ):
        if name not in known:
            raise ValueError(f"pgd: no {what} '{name}'; known are {', '.join(known)}")
    return PGD(
        norm=check_norm("pgd", norm),
        eps=number(eps),
        step_size=number(step_size),
        steps=steps,
        random_start=random_start,
        eot=eot,
        direction=direction,
        loss=loss,
        average=average,
    )
