"""Building blocks of the DeepFillv2 generator.

Yu et al., 2019, "Free-Form Image Inpainting with Gated Convolution", Section 3.1. Attribute names
follow the public checkpoint and must not change; layers of a Sequential apply in their order.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from atop.core.execution import Segment, without_autocast

Activation = Callable[[Tensor], Tensor]


class GatedConv(Segment):
    """act(features) * sigmoid(gate); the output of a convolution with zero padding has both halves.

    (B, inputs, H, W) -> (B, outputs, ceil(H/stride), ceil(W/stride)).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        activation: Activation = F.elu,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.conv = nn.Conv2d(
            inputs,
            2 * outputs,
            kernel,
            stride=stride,
            padding=dilation * (kernel - 1) // 2,
            dilation=dilation,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.checkpointed(self._gated, x)

    def _gated(self, x: Tensor) -> Tensor:
        features, gate = self.conv(x).chunk(2, dim=1)
        return self.activation(features) * gate.sigmoid()  # type: ignore[no-any-return]


class UpsamplingGatedConv(nn.Module):
    """Nearest-neighbour up-sampling by two, then a 3x3 gated convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = GatedConv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))  # type: ignore[no-any-return]


class DownBlock(nn.Sequential):
    """Halve the resolution: a gated convolution with stride 2 and one with stride 1."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.conv1_downsample = GatedConv(inputs, hidden, stride=2)
        self.conv2 = GatedConv(hidden, outputs)


class UpBlock(nn.Sequential):
    """Double the resolution: an up-sampling gated convolution and a plain one."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.conv1_upsample = UpsamplingGatedConv(inputs, hidden)
        self.conv2 = GatedConv(hidden, outputs)


class RGBHead(nn.Module):
    """Ungated 3x3 convolution to an image: (B, inputs, H, W) -> (B, 3, H, W) in [-1, 1].

    It runs in float32: bfloat16 has too few values between 0.5 and 1 for pixels.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        with without_autocast(x.device):
            image: Tensor = self.conv(x.to(self.conv.weight.dtype)).tanh()
        return image
