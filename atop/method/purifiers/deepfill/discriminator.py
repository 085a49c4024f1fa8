"""The spectrally normalised patch discriminator of DeepFillv2 (Yu et al., 2019, Section 3.3)."""

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

SpectralNorm = Literal["parametrized", "in_place"]


class Discriminator(nn.Module):
    """Score patches of (image, mask) pairs, high for real ones.

    Args:
        width: channels of the first layer; 64 in the paper (5,946,816 parameters).
        spectral_norm: "parametrized" differentiates through the normalisation and keeps the stored
            weight; "in_place" is the authors' code, see `InPlaceSpectralNormConv`.
    """

    def __init__(self, width: int = 64, spectral_norm: SpectralNorm = "parametrized") -> None:
        super().__init__()
        channels = (4, width, 2 * width, 4 * width, 4 * width, 4 * width, 4 * width)
        for number, (inputs, outputs) in enumerate(pairwise(channels), start=1):
            self.add_module(f"conv{number}", _Layer(inputs, outputs, spectral_norm))

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Image (B,3,H,W) in [-1,1] and mask (B,1,H,W) -> scores (B,N), N = 4*width*(H/64)*(W/64).

        H/64 and W/64 are rounded up: N = 4*width at 32x32.
        """
        x = torch.cat([image, mask], dim=1)
        for layer in self.children():
            x = layer(x)
        return x.flatten(1)


class InPlaceSpectralNormConv(nn.Conv2d):
    """Convolution that divides its own weight by its largest singular value in every forward pass.

    In training and evaluation, a single power iteration estimates the value, no gradient flows
    through it, and the division is permanent. Autograd does not notice it, so that the backward
    pass of an earlier forward pass uses the later weight: for recipe `official` only.
    """

    weight_u: Tensor

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int, padding: int
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, padding=padding)
        self.register_buffer("weight_u", nn.init.trunc_normal_(torch.empty(outputs, 1)))

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            matrix = self.weight.flatten(1)
            weight_v = F.normalize(matrix.t() @ self.weight_u, dim=0)
            self.weight_u.copy_(F.normalize(matrix @ weight_v, dim=0))
            sigma = self.weight_u.t() @ matrix @ weight_v  # (1,1)
        self.weight.data.div_(sigma)  # avoids autograd's version counter: see the class
        return super().forward(x)


class _Layer(nn.Module):
    """5x5 convolution with stride 2 and LeakyReLU, on the last layer too."""

    def __init__(self, inputs: int, outputs: int, spectral_norm: SpectralNorm) -> None:
        super().__init__()
        self.conv_sn: nn.Module
        if spectral_norm == "in_place":
            self.conv_sn = InPlaceSpectralNormConv(inputs, outputs, 5, stride=2, padding=2)
        elif spectral_norm == "parametrized":
            plain = nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)
            self.conv_sn = parametrizations.spectral_norm(plain)
        else:
            raise ValueError(
                f"spectral_norm must be 'parametrized' or 'in_place', not {spectral_norm!r}"
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv_sn(x), 0.2)
