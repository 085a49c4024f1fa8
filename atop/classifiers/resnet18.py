"""ResNet-18 for 256x256 images, the paper's classifier for CIFAR-10 (Table 7).

The architecture of the authors' `models/resnet.py`, whose forward maps [0,1] to [-1,1] as the only
normalisation.
"""

from torch import nn

from atop.classifiers._resnet import BasicBlock, ResNet


def build(*, classes: int) -> nn.Module:
    """(B,3,256,256) in [0,1] -> (B,classes); 11,173,962 parameters with 10 classes."""
    half = (0.5, 0.5, 0.5)
    return ResNet(BasicBlock, (2, 2, 2, 2), classes=classes, stem="large", mean=half, std=half)
