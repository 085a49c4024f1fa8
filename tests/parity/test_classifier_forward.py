"""Our classifiers against the published ones at the same weights (see make_key_fixtures.py)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_classifier_keys import PUBLISHED, ROWS
from torch import nn
from weights import fill, images

from atop.method.classifiers import wideresnet
from atop.method.registry import build
from atop.method.robustbench_library import robustbench

CLASSES = {"resnet50_256": 100}


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet34",
        "resnet50_256",
        "resnet18_32",
        "resnet34_32",
        "resnet50",
        "at_l2_resnet50",
    ],
)
def test_resnets_say_what_the_published_ones_say(name: str) -> None:
    row = ROWS[name]
    classes = CLASSES.get(name, 10)
    network: nn.Module = build("classifiers", "resnet", classes=classes, **row.options).eval()
    fill(network, seed=5)
    with np.load(Path(__file__).parent / "fixtures" / "logits.npz") as arrays:
        expected = arrays[PUBLISHED[name]]
    with torch.no_grad():
        found = network(images(1, row.pixels, row.pixels, seed=15).float()).numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def published(style: str, depth: int, width: int) -> nn.Module:
    """RobustBench's network in a style, as `Standard` and DiffPure's have it."""
    robustbench()
    if style == "trades":
        from robustbench.model_zoo.architectures.wide_resnet import WideResNet

        return WideResNet(depth=depth, widen_factor=width)  # type: ignore[no-any-return]
    from robustbench.model_zoo.architectures.dm_wide_resnet import DMWideResNet, Swish

    return DMWideResNet(depth=depth, width=width, activation_fn=Swish)  # type: ignore[no-any-return]


def ours(name: str, theirs: nn.Module, path: Path, **changes: int) -> nn.Module:
    """A row's network with the weights of theirs, by a file in the public layout."""
    prefix, entry = {"wrn28_10": ("module.", "state_dict")}.get(
        name, ("module.0.", "model_state_dict")
    )
    state = {prefix + key: value for key, value in theirs.state_dict().items()}
    torch.save({entry: state, "epoch": 7}, path)
    options: dict[str, Any] = {**ROWS[name].options, **changes}
    network = wideresnet.build(classes=10, **options)
    wideresnet.load_public(network, [path])
    path.unlink()
    return network.eval()


@pytest.mark.parametrize("name", ["wrn28_10", "wrn70_16"])
def test_small_wide_resnets_and_their_gradients_are_the_published_ones(
    name: str, tmp_path: Path
) -> None:
    theirs = published(ROWS[name].options["style"], 16, 2).eval()
    fill(theirs, seed=6)
    network = ours(name, theirs, tmp_path / "weights.pt", depth=16, width=2).double()
    theirs = theirs.double()
    x = images(3, 32, 32, seed=16).requires_grad_()
    expected, found = theirs(x), network(x)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)
    gradients = [torch.autograd.grad(logits.square().sum(), x)[0] for logits in (expected, found)]
    scale = float(gradients[0].abs().max())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=1e-6 * scale)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters"), [("wrn28_10", 36_479_194), ("wrn70_16", 266_796_506)]
)
def test_the_wide_resnets_say_what_the_published_ones_say(
    name: str, parameters: int, tmp_path: Path
) -> None:
    options = ROWS[name].options
    theirs = published(options["style"], options["depth"], options["width"]).eval()
    network = ours(name, theirs, tmp_path / "weights.pt")
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    x = images(1, 32, 32, seed=17).float()
    with torch.no_grad():
        expected, found = theirs(x), network(x)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
