"""Fixtures that several unit tests share."""

import pytest
from torch import Tensor, nn

from atop.data.dataset import Split


@pytest.fixture
def x(pictures: Split) -> Tensor:
    """The eight images as inputs at their own size."""
    return pictures.inputs(32)


@pytest.fixture
def y(x: Tensor, classifier: nn.Module) -> Tensor:
    """The classifier's answers, but for one image that it never gets right."""
    labels = classifier(x).argmax(1)
    labels[3] = (labels[3] + 1) % 10
    return labels
