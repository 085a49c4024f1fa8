"""No transform: the purifier gets the image itself (undefended rows, surrogates)."""

import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.transform import SingleView, Views


class NoTransform(SingleView):
    """x_t = x, without missing pixels."""

    random = False

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        """(B, 3, H, W) -> one view."""
        return Views(x[:, None], torch.zeros_like(x[:, None, :1]))


build = NoTransform
