"""StAdv (Xiao et al., 2018) as perceptual-advex (Laidlaw et al., 2021) and DiffPure run it.

Pixels move instead of changing colour. That code notes each example's best iterate and then returns
the last one; its note pairs a flow with the loss of the flow before it, too. Here the best iterate
is the result, the last one among the candidates, and `StAdv.iterates` goes the published way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict, number
from atop.method.attack import Target, margin
from atop.method.eot import slope
from atop.method.workload import Queries, Workload, draws_of

SMOOTHNESS = 0.0025
"""What roughness weighs against the margin, times the bound."""


@dataclass(frozen=True, kw_only=True)
class StAdv:
    """Adam on a flow, from none, that raises the margin and stays smooth.

    Attributes:
        bound: Linf, how far a pixel looks along either axis; a picture is 2 wide and 2 high.
    """

    bound: float
    steps: int
    lr: float
    eot: int

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Warped pictures; where nothing beats standing still, x itself to the last bit."""
        flow = self.run(target, x, y, randomness)
        moved = flow.flatten(1).any(1)[:, None, None, None]
        return torch.where(moved, warp(x, flow).clamp(0, 1), x)

    def run(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """(B, H, W, 2), each example's iterate of the highest objective."""
        iterates = self.iterates(target, x, y, randomness)
        best, highest = next(iterates)
        for flow, objective in iterates:
            better = objective > highest
            best = torch.where(better[:, None, None, None], flow, best)
            highest = torch.where(better, objective, highest)
        return best

    def iterates(
        self, target: Target, x: Tensor, y: Tensor, randomness: Randomness
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The flow before and after each step, steps + 1 in all, each with its objective (B,).

        The objective is the margin, expected over the draws, less the weighted roughness.
        """
        lower, upper = limits(x, self.bound)
        weight = SMOOTHNESS / self.bound if self.bound else 0.0
        flow = x.new_zeros(len(x), *lower.shape)
        optimizer = torch.optim.Adam([flow], lr=self.lr, maximize=True)
        for step in range(self.steps + 1):
            draw = randomness.at(int(randomness.draw) + step)
            # Not clamped: at 0 and 1 a clamp has no slope, and black and white pixels would rest.
            seen = partial(warp, x)
            found = slope(target, flow, y, margin, draw, eot=self.eot, picture=seen)
            bent = flow.clone().requires_grad_(True)
            penalty = weight * roughness(bent)
            (resistance,) = torch.autograd.grad(penalty.sum(), bent)
            yield flow.clone(), found.loss - penalty.detach()
            flow.grad = found.gradient - resistance
            optimizer.step()
            flow.clamp_(lower, upper)


def identity(x: Tensor) -> Tensor:
    """(H, W, 2), where the pixels of x (B, C, H, W) lie in [-1, 1], horizontal coordinate first."""
    # In float64, as float32 products of matrices may be allowed to round to ten bits.
    still = torch.eye(2, 3, dtype=torch.float64, device=x.device)[None]
    return F.affine_grid(still, [1, *x.shape[1:]], align_corners=False)[0].to(x.dtype)


def limits(x: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Least and greatest flow (H, W, 2): within `bound`, and looking at a place in [-1, 1]."""
    grid = identity(x)
    return (-1 - grid).clamp(min=-bound), (1 - grid).clamp(max=bound)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """X (B, C, H, W), each pixel read, bilinearly, where flow (B, H, W, 2) points from it.

    It is black outside the picture. Rounding makes a flow of zeros differ from x in the last bits.
    """
    return F.grid_sample(
        x, identity(x) + flow, mode="bilinear", padding_mode="zeros", align_corners=False
    )


def roughness(flow: Tensor) -> Tensor:
    """(B,), the paper's smoothness loss of flow (B, H, W, 2).

    How much the flow of a pixel differs from that of its four neighbours, summed over all pixels;
    beyond the border stands the border again. Each pair counts from both sides, hence the 2.
    """
    right = torch.diff(flow, dim=2, append=flow[:, :, -1:])
    down = torch.diff(flow, dim=1, append=flow[:, -1:])
    lengths = [(change.square().sum(3) + 1e-10).sqrt() for change in (right, down)]
    return 2 * torch.stack(lengths).sum((0, 2, 3))


def build(*, bound: str, steps: int, lr: float, eot: int) -> StAdv:
    """StAdv as a row of attacks.yaml gives it."""
    return StAdv(bound=number(bound), steps=steps, lr=lr, eot=eot)


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """A gradient a step, and one of the last iterate."""
    return Workload(queries=(Queries(True, draws_of(row, random=random), row["steps"] + 1),))
