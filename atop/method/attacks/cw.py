"""CW-L2 (Carlini & Wagner, 2017) with a fixed constant, as the authors' library runs it.

The paper's column says Linf 8/255, but that library's CW is an unbounded L2 attack (deviation B24):
there is no projection, and the smallest misclassified iterate is the result.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import Dict
from atop.method.attack import Target
from atop.method.workload import Queries, Workload


@dataclass(frozen=True, kw_only=True)
class CW:
    """Adam in tanh space on ||x' - x||^2 + c * max(z_y - max z_j, -kappa), untargeted.

    At every tenth of the steps, an example stops if its cost rose. The library compares the cost
    of the batch, so that the result of an example depends on the others (deviation O1).
    """

    c: float
    kappa: float
    lr: float
    steps: int
    eot: int

    def __call__(self, target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        """Return the smallest misclassified iterate of each example, or x itself without one."""
        w = torch.atanh((2 * x - 1).clamp(-1, 1)).detach().requires_grad_(True)
        optimizer = torch.optim.Adam([w], lr=self.lr)
        best, best_l2 = x.clone(), torch.full_like(x[:, 0, 0, 0], torch.inf)
        before, running = best_l2.clone(), torch.ones_like(y, dtype=torch.bool)
        for step in range(self.steps):
            x_adv = (torch.tanh(w) + 1) / 2
            l2 = (x_adv - x).square().flatten(1).sum(1)
            draw = randomness.at(int(randomness.draw) + step)
            margins, wrong = self._margins(target, x_adv, y, draw)
            cost = l2 + self.c * margins
            (w.grad,) = torch.autograd.grad(cost.sum(), w)
            optimizer.step()
            better = running & wrong & (l2 < best_l2)
            best_l2 = torch.where(better, l2.detach(), best_l2)
            best = torch.where(better[:, None, None, None], x_adv.detach(), best)
            if step % max(self.steps // 10, 1) == 0:
                running &= ~(cost.detach() > before)
                before = cost.detach()
                if not running.any():
                    break
        return best.clamp(0, 1)

    def _margins(
        self, target: Target, x_adv: Tensor, y: Tensor, randomness: Randomness
    ) -> tuple[Tensor, Tensor]:
        """Return (B,) margins of the logits averaged over `eot` draws, and (B,) misclassified.

        As in the library, the true class has a logit of zero among the others (deviation O3).
        """
        first = int(randomness.draw) * self.eot
        draws = range(first, first + self.eot)
        logits = torch.stack([target(x_adv, randomness.at(draw)) for draw in draws]).mean(0)
        true = F.one_hot(y, logits.shape[1]).to(logits.dtype)
        margin = (true * logits).amax(1) - ((1 - true) * logits).amax(1)
        return margin.clamp(min=-self.kappa), logits.argmax(1) != y


def build(*, norm: str, c: float, kappa: float, lr: float, steps: int, eot: int) -> CW:
    """Build the attack from a row of attacks.yaml."""
    if norm != "L2":
        raise ValueError(f"cw: norm {norm} is not implemented; it takes L2")
    return CW(c=c, kappa=kappa, lr=lr, steps=steps, eot=eot)


def workload(row: Dict, *, random: bool, classes: int) -> Workload:
    """Count a query of a single draw for each step and draw, for every target."""
    return Workload(queries=(Queries(True, 1, row["steps"] * row["eot"]),), early=True)
