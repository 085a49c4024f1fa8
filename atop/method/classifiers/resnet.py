"""ResNets (He et al., 2016, "Deep Residual Learning for Image Recognition").

Names of weights are those of kuangliu's pytorch-cifar, which MadryLab/robustness, DiffPure,
pyautoattack and the authors' `models/resnet.py` share: `linear` for the last layer, `shortcut.0`
and `shortcut.1` for the projection.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.method import published_weights

Stem = Literal["large", "small"]


def conv_norm(inputs: int, outputs: int, *, kernel: int, stride: int = 1) -> tuple[nn.Module, ...]:
    """Return a convolution without bias, padded to keep the size, and its batch normalisation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, nn.BatchNorm2d(outputs)


class Residual(nn.Module):
    """relu(branch(x) + shortcut(x)), with a 1x1 projection only if the shape changes.

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
        return self.bn2(self.conv2(x))  # type: ignore[no-any-return]


class Bottleneck(Residual):
    """1x1, 3x3 and 1x1 convolutions; the 3x3 one has the stride."""

    expansion = 4

    def add_branch(self, inputs: int, planes: int, stride: int) -> None:
        self.conv1, self.bn1 = conv_norm(inputs, planes, kernel=1)
        self.conv2, self.bn2 = conv_norm(planes, planes, kernel=3, stride=stride)
        self.conv3, self.bn3 = conv_norm(planes, self.expansion * planes, kernel=1)

    def branch(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))  # type: ignore[no-any-return]


_LAYERS: dict[int, tuple[type[Residual], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
}


class ResNet(nn.Module):
    """(B,3,H,W) in [0,1] -> (B,classes) logits; random weights.

    Args:
        classes: number of logits.
        depth: 18, 34 (basic blocks) or 50 (bottlenecks).
        stem: "large" halves the image twice before the first block (for 256x256), "small" never
            (for 32x32).
        mean, std: normalisation of the input per channel, (x - mean) / std; not in the state dict.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        classes: int,
        depth: int,
        stem: Stem,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        if depth not in _LAYERS or stem not in ("large", "small"):
            raise ValueError("depth is 18, 34 or 50, stem large or small")
        block, blocks = _LAYERS[depth]
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
        return self.linear(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]


def _layer(
    block: type[Residual], inputs: int, planes: int, count: int, *, stride: int
) -> nn.Sequential:
    first = block(inputs, planes, stride)
    rest = (block(block.expansion * planes, planes, 1) for _ in range(count - 1))
    return nn.Sequential(first, *rest)


build = ResNet


def load_public(network: ResNet, files: list[Path]) -> None:
    """Load a file of any repository above.

    Raises:
        AtopError: the file is damaged, or for another network or normalisation.
    """
    state = published_weights.weights(files)
    checkpoints.fill(network, _without_wrapper(network, state, files[0]), source=files[0])


def _without_wrapper(
    network: ResNet, state: published_weights.State, path: Path
) -> published_weights.State:
    """Return the network's part of a state dict of MadryLab/robustness' `AttackerModel`.

    It has the network as `model.`, perhaps again as `attacker.model.`, and the normalisation; so
    have perceptual-advex's feature models, without the attacker. Other files are returned as such.
    """
    wrapper = ("normalizer.", "attacker.")
    if not any(name.startswith(wrapper) for name in state):
        return state
    for name in ("mean", "std"):
        published = state.get(f"normalizer.new_{name}", torch.empty(0)).flatten()
        ours = getattr(network, name).flatten()
        if published.shape != ours.shape or not torch.allclose(published, ours):
            raise AtopError(
                f"{path}: its {name} is {published.tolist()}, not {ours.tolist()}; "
                "correct the classifier's options"
            )
    inner = {name: value for name, value in state.items() if not name.startswith(wrapper)}
    return {name.removeprefix("model."): value for name, value in inner.items()}
