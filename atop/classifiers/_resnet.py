"""ResNets (He et al., 2016, "Deep Residual Learning for Image Recognition").

Key names are those of kuangliu's pytorch-cifar: `linear` for the last layer, `shortcut.0` and
`shortcut.1` for the projection.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Stem = Literal["large", "small"]


def conv_norm(inputs: int, outputs: int, *, kernel: int, stride: int = 1) -> tuple[nn.Module, ...]:
    """A convolution without bias, padded to keep the size, and its batch normalisation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, nn.BatchNorm2d(outputs)


class Residual(nn.Module):
    """relu(branch(x) + shortcut(x)), with a 1x1 projection only where the shape changes.

    Subclasses register their layers in `add_branch`; channels out = expansion * planes.
    """

    expansion: int

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.add_branch(inputs, planes, stride)
        outputs = self.expansion * planes
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(*conv_norm(inputs, outputs, kernel=1, stride=stride))

    def add_branch(self, inputs: int, planes: int, stride: int) -> None:
        raise NotImplementedError

    def branch(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x))


class BasicBlock(Residual):
    """Two 3x3 convolutions."""

    expansion = 1

    def add_branch(self, inputs: int, planes: int, stride: int) -> None:
        self.conv1, self.bn1 = conv_norm(inputs, planes, kernel=3, stride=stride)
        self.conv2, self.bn2 = conv_norm(planes, planes, kernel=3)

    def branch(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        normed: Tensor = self.bn2(self.conv2(x))
        return normed


class Bottleneck(Residual):
    """1x1, 3x3 and 1x1 convolutions, the stride on the 3x3 one."""

    expansion = 4

    def add_branch(self, inputs: int, planes: int, stride: int) -> None:
        self.conv1, self.bn1 = conv_norm(inputs, planes, kernel=1)
        self.conv2, self.bn2 = conv_norm(planes, planes, kernel=3, stride=stride)
        self.conv3, self.bn3 = conv_norm(planes, self.expansion * planes, kernel=1)

    def branch(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        normed: Tensor = self.bn3(self.conv3(x))
        return normed


class ResNet(nn.Module):
    """(B,3,H,W) in [0,1] -> (B,classes) logits.

    Args:
        block: BasicBlock or Bottleneck.
        blocks: how many of them in each of the four layers.
        stem: "large" halves the image twice before the first layer (for 256x256), "small" never
            (for 32x32).
        mean, std: per-channel normalisation of the input, (x - mean) / std; not in the state dict.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        block: type[Residual],
        blocks: Sequence[int],
        *,
        classes: int,
        stem: Stem,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.stem = stem
        self.conv1, self.bn1 = conv_norm(3, 64, kernel=3, stride=2 if stem == "large" else 1)
        self.layer1 = _layer(block, 64, 64, blocks[0], stride=1)
        self.layer2 = _layer(block, 64 * block.expansion, 128, blocks[1], stride=2)
        self.layer3 = _layer(block, 128 * block.expansion, 256, blocks[2], stride=2)
        self.layer4 = _layer(block, 256 * block.expansion, 512, blocks[3], stride=2)
        self.linear = nn.Linear(512 * block.expansion, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1((x - self.mean) / self.std)))
        if self.stem == "large":
            x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


def _layer(
    block: type[Residual], inputs: int, planes: int, count: int, *, stride: int
) -> nn.Sequential:
    first = block(inputs, planes, stride)
    rest = (block(block.expansion * planes, planes, 1) for _ in range(count - 1))
    return nn.Sequential(first, *rest)
