"""Wide ResNets (Zagoruyko & Komodakis, 2016) for 32x32 images, in two published styles.

`trades`: TRADES, and RobustBench's `Standard`: ReLU, and images without normalisation.
`deepmind`: Gowal et al. (2020), and DiffPure's WRN-70-16: Swish, and strided convolutions padded
only on the right and below, as in TensorFlow. Its names are mapped on loading.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atop.core import checkpoints
from atop.method import published_weights

Style = Literal["trades", "deepmind"]

_ACTIVATIONS: dict[Style, Callable[[Tensor], Tensor]] = {"trades": F.relu_, "deepmind": F.silu}

_SHORT = {"conv": "conv", "batchnorm": "bn"}
_DEEPMIND_NAMES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"^init_conv\.", "conv1."),
    (r"^batchnorm\.", "bn1."),
    (r"^logits\.", "fc."),
    (r"^layer\.(\d+)\.block\.", lambda match: f"block{int(match[1]) + 1}.layer."),
    (r"\.(conv|batchnorm)_(\d)\.", lambda match: f".{_SHORT[match[1]]}{int(match[2]) + 1}."),
    (r"\.shortcut\.", ".convShortcut."),
)


def _conv(
    inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, padding: int = 1
) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


class Block(nn.Module):
    """Two normalised and activated 3x3 convolutions and a shortcut.

    If the width changes, the shortcut is a 1x1 convolution of the activated input.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, style: Style) -> None:
        super().__init__()
        self.uneven = style == "deepmind" and stride == 2
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = _conv(inputs, outputs, stride=stride, padding=0 if self.uneven else 1)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv(outputs, outputs)
        self.convShortcut: nn.Conv2d | None = None
        if inputs != outputs:
            self.convShortcut = _conv(inputs, outputs, kernel=1, stride=stride, padding=0)
        self.activation = _ACTIVATIONS[style]

    def forward(self, x: Tensor) -> Tensor:
        active = self.activation(self.bn1(x))
        residual = self.conv1(F.pad(active, (0, 1, 0, 1)) if self.uneven else active)
        residual = self.conv2(self.activation(self.bn2(residual)))
        return residual + (x if self.convShortcut is None else self.convShortcut(active))  # type: ignore[no-any-return]


class Group(nn.Module):
    """Blocks of the same width; the first may halve the image."""

    def __init__(self, count: int, inputs: int, outputs: int, stride: int, style: Style) -> None:
        super().__init__()
        first = Block(inputs, outputs, stride, style)
        self.layer = nn.Sequential(
            first, *(Block(outputs, outputs, 1, style) for _ in range(count - 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)  # type: ignore[no-any-return]


class WideResNet(nn.Module):
    """(B,3,32,32) in [0,1] -> (B,classes) logits; weights from He's normal by fan-out, as TRADES.

    Args:
        classes: number of logits.
        depth: 6n + 4, with n blocks in each of three groups.
        width: factor of the channels 16, 32 and 64 of the groups.
        style: trades or deepmind, see above.
        mean, std: normalisation of the input per channel, (x - mean) / std; not in the state dict.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        classes: int,
        depth: int,
        width: int,
        style: Style,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        if depth < 10 or depth % 6 != 4 or style not in _ACTIVATIONS:
            raise ValueError("depth is 10, 16, 22 and so on, style trades or deepmind")
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.style = style
        blocks = (depth - 4) // 6
        self.conv1 = _conv(3, 16)
        self.block1 = Group(blocks, 16, 16 * width, 1, style)
        self.block2 = Group(blocks, 16 * width, 32 * width, 2, style)
        self.block3 = Group(blocks, 32 * width, 64 * width, 2, style)
        self.bn1 = nn.BatchNorm2d(64 * width)
        self.fc = nn.Linear(64 * width, classes)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1((x - self.mean) / self.std)
        x = self.bn1(self.block3(self.block2(self.block1(x))))
        return self.fc(_ACTIVATIONS[self.style](x).mean(dim=(2, 3)))  # type: ignore[no-any-return]


build = WideResNet


def load_public(network: WideResNet, files: list[Path]) -> None:
    """Load RobustBench's `Standard`, DiffPure's WRN-70-16, or another file of these styles.

    Raises:
        AtopError: the file is damaged, or for another network.
    """
    state = published_weights.weights(files)
    if network.style == "deepmind":
        if "init_conv.weight" not in state:  # weights of the other style may fit too
            raise checkpoints.mismatch(files[0], "no 'init_conv.weight', which this style has")
        state = {_renamed(name): value for name, value in state.items()}
    checkpoints.fill(network, state, source=files[0])


def _renamed(name: str) -> str:
    """Return TRADES' name for a name of DeepMind's."""
    for pattern, new in _DEEPMIND_NAMES:
        name = re.sub(pattern, new, name)
    return name
