"""Other slopes than that of the expected loss: of a vote, of the hardest draw, of a distance."""

import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.attack import Loss, Target
from atop.method.eot import Slope, Victim, expectation, passes, repeat, slope_of_mean


def slope_of_vote(
    target: Target, x: Tensor, y: Tensor, loss: Loss, randomness: Randomness, *, eot: int
) -> Slope:
    """Gradient of the loss of the mean probabilities: of the draws' answer together, not of one's.

    The logarithms of the mean probabilities stand for the logits. A draw that is certain counts
    there as much as it does in a vote, and no more.
    """

    def of_mean(mean: Tensor, labels: Tensor) -> Tensor:
        return loss(mean.clamp(min=torch.finfo(mean.dtype).tiny).log(), labels)

    def probabilities(logits: Tensor) -> Tensor:
        return logits.softmax(1)

    return slope_of_mean(target, x, y, of_mean, randomness, eot=eot, averaged=probabilities)


def slope_of_hardest(
    target: Target, x: Tensor, y: Tensor, loss: Loss, randomness: Randomness, *, eot: int
) -> Slope:
    """Gradient of each example's loss at that of the draws where it is highest.

    One wrong draw is enough for whoever must only keep a defence from being correct every time.
    """

    @torch.no_grad()
    def look(victim: Victim, draws: Randomness, count: int) -> tuple[Tensor, ...]:
        losses = loss(victim(repeat(x, count), draws), repeat(y, count))
        return losses.reshape(count, -1), torch.as_tensor(draws.draw).to(y).reshape(count, -1)

    victim = target if isinstance(target, Victim) else Victim(target, rows=len(x))
    seen = zip(*passes(look, victim, len(x), randomness, eot), strict=True)
    losses, draws = (torch.cat([part.expand(-1, len(x)) for part in parts]) for parts in seen)
    hardest = draws.gather(0, losses.argmax(0, keepdim=True))[0]
    moved = x.detach().requires_grad_(True)
    logits = victim(moved, randomness.at(hardest))
    highest = loss(logits, y)
    (gradient,) = torch.autograd.grad(highest.sum(), moved)
    return Slope(gradient, highest.detach(), logits.detach())


def slope_of_shift(
    target: Target, x_adv: Tensor, x: Tensor, randomness: Randomness, *, eot: int
) -> Tensor:
    """Gradient by x_adv of the expected squared distance of its outputs from those for x.

    Both are seen under the same draws, so that the distance is what the images differ in.
    """

    def look(victim: Victim, draws: Randomness, count: int) -> tuple[Tensor, ...]:
        with torch.no_grad():
            still = victim(repeat(x, count), draws)
        moved = x_adv.detach().requires_grad_(True)
        shift = victim(repeat(moved, count), draws) - still
        return torch.autograd.grad(shift.square().sum(), moved)

    return expectation(look, target, len(x), randomness, eot)[0]
