"""A small residual network for 32x32 images, fast enough to train on two CPU cores."""

import torch.nn.functional as F
from torch import Tensor, nn


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2016), halving the resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.bn3(self.shortcut(x)))


class ResNetSmall(nn.Module):
    """(B, 3, 32, 32) in [0, 1] -> (B, classes) logits; random weights."""

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(32)
        self.blocks = nn.Sequential(_Block(32, 64), _Block(64, 128), _Block(128, 160))
        self.linear = nn.Linear(160, classes)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn(self.stem(4 * x - 2)))
        return self.linear(self.blocks(y).mean(dim=(2, 3)))  # type: ignore[no-any-return]


build = ResNetSmall
