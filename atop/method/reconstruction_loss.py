"""L_org, what trains a purifier without any classifier: the contract, and the loss by default.

A purifier that has a better one says so with `build_loss(*, recipe, **options)` in its module.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

Pictures = tuple[Tensor, ...]
Terms = tuple[Tensor, dict[str, Tensor]]
Learn = Callable[[Tensor], None]


class Loss(nn.Module):
    """L_org of a purifier; perhaps with networks that learn beside it."""

    def forward(self, target: Tensor, pictures: Pictures, missing: Tensor, learn: Learn) -> Terms:
        """The loss of a batch, and what is to be logged of it.

        Args:
            target: (B, 3, H, W) in [0, 1], what should have come out.
            pictures: what the purifier's `stages` say, each combined from all views; the last is
                the purified picture.
            missing: (B, 1, H, W), 1 where a pixel was missing in any view.
            learn: takes a step of the loss's own networks down the loss that it is given.
        """
        raise NotImplementedError


class PixelLoss(Loss):
    """Mean absolute error of the purified picture, in the networks' range [-1, 1] as Eq. 9's."""

    def forward(self, target: Tensor, pictures: Pictures, missing: Tensor, learn: Learn) -> Terms:
        """Target and the last picture."""
        l1 = 2 * F.l1_loss(pictures[-1], target)
        return l1, {"l1": l1}
