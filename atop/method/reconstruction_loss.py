"""L_org, the loss that trains a purifier without a classifier: its interface and the default.

The module of a purifier may define another with `build_loss(*, recipe, **options)`.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

Images = tuple[Tensor, ...]
Terms = tuple[Tensor, dict[str, Tensor]]
Learn = Callable[[Tensor], None]


class Loss(nn.Module):
    """L_org of a purifier; it may have networks of its own that learn with the purifier."""

    def forward(self, target: Tensor, images: Images, missing: Tensor, learn: Learn) -> Terms:
        """Return the loss of a batch, and the terms to log.

        Args:
            target: (B, 3, H, W) in [0, 1], the desired image.
            images: outputs of the purifier's `stages`, each combined from all views; the last is
                the purified image.
            missing: (B, 1, H, W), 1 if a pixel was missing in any view.
            learn: takes a step of the loss's own networks that lowers its argument.
        """
        raise NotImplementedError


class PixelLoss(Loss):
    """Mean absolute error of the purified image, in the range [-1, 1] as in Eq. 9."""

    def forward(self, target: Tensor, images: Images, missing: Tensor, learn: Learn) -> Terms:
        """Compare the target with the last image."""
        l1 = 2 * F.l1_loss(images[-1], target)
        return l1, {"l1": l1}
