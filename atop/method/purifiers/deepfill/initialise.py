"""Weights of a generator before training from scratch: it passes the image through.

With the published initialisation (Kaiming) the signal of a narrow generator dies: its RMS falls
from 0.2 to 2e-6 through the coarse network (width 8, 64 pixels). Here some channels carry the three
colours through every layer, as in nn.init.dirac_, and a layer that halves the resolution blurs
them. All other channels are random and keep their variance. The generator then begins as a low-pass
filter that shows missing pixels grey, and training has to add what is missing.
"""

import torch
from torch import Tensor, nn

from atop.method.purifiers.deepfill.generator import Generator
from atop.method.purifiers.deepfill.layers import GatedConv, RGBHead

COLOURS = 3
# A gate of zero is sigmoid(0) = 1/2.
UNGATED = 2.0
# ELU is the identity for positive values only, so colours in [-1, 1] travel as x + 1.
OFFSET = 1.0
# Of tanh at the output: pixels near black and white begin at 0.83.
GAIN = 1.2


@torch.no_grad()
def pass_through(generator: Generator) -> None:
    """Set all weights of a generator, in place; random ones come from torch's global generator.

    A generator of width below 12 has fewer than three channels before its last layer, so it cannot
    carry all colours.
    """
    firsts = [generator.stage1.conv1, generator.stage2.conv_conv1, generator.stage2.ca_conv1]
    for module in generator.modules():
        if isinstance(module, GatedConv):
            _randomise(module.conv)
            _carry(module.conv, offset=UNGATED * OFFSET if module in firsts else 0.0)
        elif isinstance(module, RGBHead):
            _show(module.conv)


def _randomise(conv: nn.Conv2d) -> None:
    """Give features and gates weights that keep the variance of their input."""
    features, gates = conv.weight.chunk(2)
    deviation = conv.weight[0].numel() ** -0.5
    features.normal_(std=UNGATED * deviation)
    gates.normal_(std=0.5 * deviation)
    _bias(conv).zero_()


def _carry(conv: nn.Conv2d, *, offset: float) -> None:
    """Make the first channels of the output those of the input, with open gates."""
    features, gates = conv.weight.chunk(2)
    for colour in range(min(COLOURS, len(features), conv.in_channels)):
        features[colour], gates[colour] = 0.0, 0.0
        features[colour, colour] = UNGATED * _kernel(conv)
        _bias(conv)[colour] = offset


def _kernel(conv: nn.Conv2d) -> Tensor:
    """Return the identity, or for a layer with stride 2 a binomial blur, (k, k) of sum 1."""
    size = conv.kernel_size[0]
    if conv.stride[0] == 2:
        row = conv.weight.new_tensor([0.25, 0.5, 0.25])
        return torch.outer(row, row)
    kernel = conv.weight.new_zeros(size, size)
    kernel[size // 2, size // 2] = 1.0
    return kernel


def _show(conv: nn.Conv2d) -> None:
    """Make the image of the carried colours; other channels begin with a tenth of their weights."""
    conv.weight.mul_(0.1)
    for colour in range(min(COLOURS, conv.in_channels)):
        conv.weight[colour, colour] = 0.0
        conv.weight[colour, colour, 1, 1] = GAIN
        _bias(conv)[colour] = -GAIN * OFFSET


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias
