"""The two-stage DeepFillv2 generator (Yu et al., 2019, Section 3.2), the purifier g of the paper.

Layer names are those of the public `states_pt_places2.pth`: 85 entries at width 48.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atop.method.purifiers.deepfill.attention import ContextualAttention
from atop.method.purifiers.deepfill.layers import DownBlock, GatedConv, RGBHead, UpBlock

SIZE_MULTIPLE = 16


class Generator(nn.Module):
    """A coarse network, then a refinement network with contextual attention.

    Args:
        width: channels at half resolution, a multiple of 4; 48 in the paper (4,052,478 parameters).
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        if width <= 0 or width % 4:
            raise ValueError(f"width must be a positive multiple of 4, not {width}")
        self.stage1 = CoarseNetwork(width)
        self.stage2 = RefinementNetwork(width)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Inpaint x (B,3,H,W) in [-1,1], zero where missing, with mask (B,1,H,W), 1 = missing.

        Returns:
            The coarse and the refined image, both (B,3,H,W) in [-1,1]; known pixels are generated
            too.

        Raises:
            ValueError: H or W is not a multiple of 16, or the mask has another size.
        """
        _check_shapes(x, mask)
        coarse = self.stage1(torch.cat([x, torch.ones_like(mask), mask], dim=1))
        refined = self.stage2(coarse * mask + x * (1 - mask), mask)
        return coarse, refined


class CoarseNetwork(nn.Sequential):
    """(B,5,H,W) image, ones and mask -> (B,3,H,W) in [-1,1]; layers apply in order."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half, wide = width // 2, 2 * width
        self.conv1 = GatedConv(5, half, kernel=5)
        self.down_block1 = DownBlock(half, width, width)
        self.down_block2 = DownBlock(width, wide, wide)
        self.conv_bn1 = GatedConv(wide, wide)
        self.conv_bn2 = GatedConv(wide, wide, dilation=2)
        self.conv_bn3 = GatedConv(wide, wide, dilation=4)
        self.conv_bn4 = GatedConv(wide, wide, dilation=8)
        self.conv_bn5 = GatedConv(wide, wide, dilation=16)
        self.conv_bn6 = GatedConv(wide, wide)
        self.conv_bn7 = GatedConv(wide, wide)
        self.up_block1 = UpBlock(wide, width, width)
        self.up_block2 = UpBlock(width, half, width // 4)
        self.conv_to_rgb = RGBHead(width // 4)


class RefinementNetwork(nn.Module):
    """(B,3,H,W) in [-1,1], coarsely filled, and its mask -> (B,3,H,W) in [-1,1]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half, wide = width // 2, 2 * width
        self.conv_conv1 = GatedConv(3, half, kernel=5)
        self.conv_down_block1 = DownBlock(half, half, width)
        self.conv_down_block2 = DownBlock(width, width, wide)
        self.conv_conv_bn1 = GatedConv(wide, wide)
        self.conv_conv_bn2 = GatedConv(wide, wide, dilation=2)
        self.conv_conv_bn3 = GatedConv(wide, wide, dilation=4)
        self.conv_conv_bn4 = GatedConv(wide, wide, dilation=8)
        self.conv_conv_bn5 = GatedConv(wide, wide, dilation=16)

        self.ca_conv1 = GatedConv(3, half, kernel=5)
        self.ca_down_block1 = DownBlock(half, half, width)
        self.ca_down_block2 = DownBlock(width, wide, wide)
        self.ca_conv_bn1 = GatedConv(wide, wide, activation=F.relu)
        self.contextual_attention = ContextualAttention()
        self.ca_conv_bn4 = GatedConv(wide, wide)
        self.ca_conv_bn5 = GatedConv(wide, wide)

        self.conv_bn6 = GatedConv(2 * wide, wide)
        self.conv_bn7 = GatedConv(wide, wide)
        self.up_block1 = UpBlock(wide, width, width)
        self.up_block2 = UpBlock(width, half, width // 4)
        self.conv_to_rgb = RGBHead(width // 4)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        merged = torch.cat([self._hallucinate(x), self._attend(x, mask)], dim=1)
        merged = self.conv_bn7(self.conv_bn6(merged))
        return self.conv_to_rgb(self.up_block2(self.up_block1(merged)))  # type: ignore[no-any-return]

    def _hallucinate(self, x: Tensor) -> Tensor:
        """Run the convolution branch; (B,2*width,H/4,W/4)."""
        x = self.conv_down_block2(self.conv_down_block1(self.conv_conv1(x)))
        x = self.conv_conv_bn3(self.conv_conv_bn2(self.conv_conv_bn1(x)))
        return self.conv_conv_bn5(self.conv_conv_bn4(x))  # type: ignore[no-any-return]

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """Run the attention branch; (B,2*width,H/4,W/4)."""
        x = self.ca_down_block2(self.ca_down_block1(self.ca_conv1(x)))
        x = self.contextual_attention(self.ca_conv_bn1(x), mask)
        return self.ca_conv_bn5(self.ca_conv_bn4(x))  # type: ignore[no-any-return]


def _check_shapes(x: Tensor, mask: Tensor) -> None:
    batch, _, height, width = x.shape
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise ValueError(
            f"DeepFill takes heights and widths that are multiples of {SIZE_MULTIPLE}, "
            f"not {height}x{width}"
        )
    if mask.shape != (batch, 1, height, width):
        raise ValueError(
            f"mask of shape {tuple(mask.shape)} for images of shape {tuple(x.shape)}: "
            f"needs {(batch, 1, height, width)}"
        )
