"""ResNet-18 for 32x32 images without normalisation.

The architecture of the standard-trained CIFAR-10 weights that pyautoattack ships as
`examples/model_test.pt` (93.7% clean accuracy on the first 1000 test images).
"""

from torch import nn

from atop.classifiers._resnet import BasicBlock, ResNet


def build(*, classes: int) -> nn.Module:
    """(B,3,32,32) in [0,1] -> (B,classes); 11,173,962 parameters with 10 classes."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes=classes, stem="small")
