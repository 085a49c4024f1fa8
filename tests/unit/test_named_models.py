"""Models of other libraries by name: their size, normalisation and classes."""

import pytest
import torch
from torchvision import models

from atop.core.errors import AtopError
from atop.core.resizing import resize
from atop.pipeline.named_models import IMAGENETTE, model

X = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))


def test_a_model_of_torchvision_answers_for_imagenette() -> None:
    network = model("torchvision:squeezenet1_1@none", "imagenette")
    mean = torch.tensor((0.485, 0.456, 0.406))[:, None, None]
    std = torch.tensor((0.229, 0.224, 0.225))[:, None, None]
    expected = network.network((resize(X, 224) - mean) / std)[:, list(IMAGENETTE)]
    torch.testing.assert_close(network(X), expected)
    assert not network.training


def test_the_ten_classes_are_those_of_imagenette() -> None:
    names = models.ResNet18_Weights.DEFAULT.meta["categories"]
    assert [names[place] for place in IMAGENETTE] == [
        "tench", "English springer", "cassette player", "chain saw", "church", "French horn",
        "garbage truck", "gas pump", "golf ball", "parachute",
    ]  # fmt: skip


def test_a_model_of_timm_answers_for_imagenette() -> None:
    network = model("timm:mobilenetv3_small_050@none", "imagenette")
    assert network(X).shape == (2, 10)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("torchvision:resnet18@none", "1000 classes, cifar10 has 10"),
        ("torchvision:resnet18@mine", "only none is known"),
        ("timm:nothing@none", "timm:nothing@none: "),
        ("keras:resnet", "no library 'keras'; known are robustbench, torchvision, timm"),
    ],
)
def test_another_name_is_refused(text: str, reason: str) -> None:
    with pytest.raises(AtopError, match=reason):
        model(text, "cifar10")
