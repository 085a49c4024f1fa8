"""What both sides of the parity tests share: weights, inputs and masks made from seeds, and a small
network to attack. Nothing random is stored in the fixtures, so they stay small.

Only `Generator.random` is drawn from: its stream is the simplest one that numpy offers, and so the
least likely to change between versions.
"""

from collections.abc import Mapping
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CLASSES = 10


def fill(module: nn.Module, *, seed: int, gain: float = 1.0) -> None:
    """Overwrite every parameter and buffer of `module` with values that its name and `seed` fix.

    Kernels are scaled to keep the variance of activations times gain**2; variances and scales of
    batch normalisation are positive; counters and the fuse kernel of the attention stay.
    """
    state: Mapping[str, Tensor] = module.state_dict()
    with torch.no_grad():
        for name, tensor in state.items():
            if name.endswith(("num_batches_tracked", "fuse_weight")):
                continue
            values = symmetric(tuple(tensor.shape), seed, crc32(name.encode()))
            if name.endswith("running_var") or (name.endswith("weight") and tensor.dim() == 1):
                values = 1 + values / 2
            elif name.endswith("weight"):
                values *= gain * np.sqrt(3 / tensor[0].numel())  # a uniform has variance 1/3
            elif name.endswith(("bias", "running_mean")):
                values *= 0.1
            tensor.copy_(torch.from_numpy(values))


def symmetric(shape: tuple[int, ...], *seed: int) -> NDArray[np.float64]:
    """Uniform numbers in [-1,1)."""
    return 2 * np.random.default_rng(seed).random(shape) - 1


def images(batch: int, height: int, width: int, *, seed: int) -> Tensor:
    """(B,3,H,W) float64 in [0,1]: textured 8x8 blocks, so that patches resemble each other."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.random((batch, 3, height // 8, width // 8)), np.ones((8, 8)))
    return torch.from_numpy(0.8 * blocks + 0.2 * rng.random(blocks.shape))


def hole_mask(height: int, width: int, *, seed: int) -> Tensor:
    """(1,1,H,W) float64, 1 = missing: one rectangle of half the height and a third of the width."""
    mask = torch.zeros(1, 1, height, width, dtype=torch.float64)
    top, left = (np.random.default_rng(seed).random(2) * (height // 2, width // 2)).astype(int)
    mask[..., top : top + height // 2, left : left + width // 3] = 1
    return mask


class SmallNet(nn.Module):
    """(B,3,8,8) in [0,1] -> (B,10) logits, float64, smooth: what the attack fixtures attack.

    Scale and shift of the logits are chosen such that CW finds some images and fails on others,
    runs all its steps or stops early, and meets negative logits on a few.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.linear = nn.Linear(12 * 16, CLASSES)
        self.double()
        fill(self, seed=7, gain=0.8)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.conv1(2 * x - 1))
        x = torch.tanh(self.conv2(x))
        logits: Tensor = self.linear(x.flatten(1)) / 4 - 0.03
        return logits
