"""What the tests here share by name."""

from collections.abc import Callable
from pathlib import Path

from atop.experiment.cells import Cell

Complain = Callable[..., str]
Cut = Callable[[Path], None]
BARE = Cell(dataset="cifar10_slice", classifier="resnet_small")
