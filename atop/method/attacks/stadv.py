"""StAdv (Xiao et al., 2018) as perceptual-advex (Laidlaw et al., 2021) and DiffPure run it.

Pixels move instead of changing colour. The published code records each example's best iterate, with
the loss of the previous flow, but returns the last one. Here the result is the best iterate;
`StAdv.iterates` yields the same iterates as the published code.
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
from atop.method.eot import eot_gradient
from atop.method.workload import Queries, Workload, draws_of

SMOOTHNESS = 0.0025
"""Weight of roughness relative to the margin, times the bound."""


@dataclass(frozen=True, kw_only=True)
class StAdv:
    """Adam on a flow, which starts at zero, raises the margin and stays smooth.

    Attributes:
        bound: Linf bound of the flow along either axis; an image is 2 wide and 2 high.
    """

    bound: float
    steps: int
    lr: float
    eot: int

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Return warped images; x itself, bit for bit, if no flow beats a zero flow."""
        flow = self.run(target, x, y, randomness)
        moved = flow.flatten(1).any(1)[:, None, None, None]
        return torch.where(moved, warp(x, flow).clamp(0, 1), x)

    def run(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Return (B, H, W, 2), each example's flow of the highest objective."""
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
        """Yield the flow at the start and after each step, with its objective (B,).

        The objective is the margin, averaged over draws, minus the weighted roughness.
        """
        lower, upper = limits(x, self.bound)
        weight = SMOOTHNESS / self.bound if self.bound else 0.0
        flow = x.new_zeros(len(x), *lower.shape)
        optimizer = torch.optim.Adam([flow], lr=self.lr, maximize=True)
        for step in range(self.steps + 1):
            draw = randomness.at(int(randomness.draw) + step)
            # Without a clamp, which has no gradient at black and white pixels.
            warped = partial(warp, x)
            raised = eot_gradient(target, flow, y, margin, draw, eot=self.eot, to_image=warped)
            variable = flow.clone().requires_grad_(True)
            penalty = weight * roughness(variable)
            (penalty_gradient,) = torch.autograd.grad(penalty.sum(), variable)
            yield flow.clone(), raised.loss - penalty.detach()
            flow.grad = raised.gradient - penalty_gradient
            optimizer.step()
            flow.clamp_(lower, upper)


def identity(x: Tensor) -> Tensor:
    """Return (H, W, 2) positions in [-1, 1] of the pixels of x (B, C, H, W), horizontal first."""
    # float64, because float32 matrix products may round to ten bits.
    matrix = torch.eye(2, 3, dtype=torch.float64, device=x.device)[None]
    return F.affine_grid(matrix, [1, *x.shape[1:]], align_corners=False)[0].to(x.dtype)


def limits(x: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Return least and greatest flow (H, W, 2): within `bound`, and to positions in [-1, 1]."""
    grid = identity(x)
    return (-1 - grid).clamp(min=-bound), (1 - grid).clamp(max=bound)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Warp x (B, C, H, W): each pixel is read, bilinearly, where flow (B, H, W, 2) points from it.

    Outside x is black. With a flow of zeros, rounding changes the last bits of x.
    """
    return F.grid_sample(
        x, identity(x) + flow, mode="bilinear", padding_mode="zeros", align_corners=False
    )


def roughness(flow: Tensor) -> Tensor:
    """Return (B,), the paper's smoothness loss of flow (B, H, W, 2).

    It sums the differences between a pixel's flow and that of its four neighbours. The border is
    repeated outside. Each pair counts twice, hence the 2.
    """
    across = torch.diff(flow, dim=2, append=flow[:, :, -1:])
    down = torch.diff(flow, dim=1, append=flow[:, -1:])
    lengths = [(change.square().sum(3) + 1e-10).sqrt() for change in (across, down)]
    return 2 * torch.stack(lengths).sum((0, 2, 3))


def build(*, bound: str, steps: int, lr: float, eot: int) -> StAdv:
    """Build the attack from a row of attacks.yaml."""
    return StAdv(bound=number(bound), steps=steps, lr=lr, eot=eot)


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """Count a gradient per step, and one of the last iterate."""
    return Workload(queries=(Queries(True, draws_of(row, random=random), row["steps"] + 1),))
