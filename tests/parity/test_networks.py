"""Our networks against the authors' code, on the same weights and inputs (see make_fixtures.py)."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from weights import fill, hole_mask, images, symmetric

from atop.method.classifiers import resnet
from atop.method.purifiers.deepfill import Discriminator, Generator
from atop.method.purifiers.deepfill.attention import ContextualAttention

Fixture = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def published() -> Fixture:
    with np.load(Path(__file__).parent / "fixtures" / "networks.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def generator() -> Generator:
    network = Generator(48)
    fill(network, seed=1, gain=2.0)
    return network


def test_generator_with_one_mask_for_a_batch(generator: Generator, published: Fixture) -> None:
    x, mask = _masked(2, 64, 64, seed=11)
    with torch.no_grad():
        coarse, refined = generator(x, mask)
    assert _distance(coarse, published["coarse_pair"]) < 1e-5
    assert _distance(refined, published["refined_pair"]) < 1e-5


def test_generator_and_its_gradient_on_an_oblong_image(
    generator: Generator, published: Fixture
) -> None:
    x, mask = _masked(1, 48, 80, seed=12)
    x.requires_grad_()
    coarse, refined = generator(x, mask)
    assert _distance(coarse, published["coarse_single"]) < 1e-5
    assert _distance(refined, published["refined_single"]) < 1e-5
    (gradient,) = torch.autograd.grad(refined.sum(), x)
    scale = np.abs(published["gradient_single"]).max()
    assert _distance(gradient, published["gradient_single"]) < 1e-4 * scale


def test_attention_where_missing_patches_weigh_on_the_softmax(published: Fixture) -> None:
    features = torch.from_numpy(0.05 * symmetric((2, 12, 16, 24), 2)).requires_grad_()
    mask = hole_mask(64, 96, seed=13).expand(2, -1, -1, -1)
    output = ContextualAttention()(features, mask)
    assert _distance(output, published["attention"]) < 1e-12
    (gradient,) = torch.autograd.grad(output.pow(3).sum(), features)
    scale = np.abs(published["attention_gradient"]).max()
    assert _distance(gradient, published["attention_gradient"]) < 1e-10 * scale


def test_discriminator_with_in_place_spectral_norm(published: Fixture) -> None:
    discriminator = Discriminator(64, spectral_norm="in_place")
    fill(discriminator, seed=3)
    _, mask = _masked(2, 64, 64, seed=11)
    with torch.no_grad():
        scores = discriminator((2 * images(2, 64, 64, seed=11) - 1).float(), mask)
    scale = np.abs(published["scores"]).max()
    assert _distance(scores, published["scores"]) < 1e-5 * scale
    weight = discriminator.state_dict()["conv1.conv_sn.weight"]
    assert _distance(weight, published["sigma_weight"]) < 1e-6


def test_resnet18_at_256(published: Fixture) -> None:
    halves = {"mean": [0.5] * 3, "std": [0.5] * 3}
    network = resnet.build(classes=10, depth=18, stem="large", **halves).eval()
    fill(network, seed=4)
    with torch.no_grad():
        logits = network(images(1, 256, 256, seed=14).float())
    assert _distance(logits, published["logits"]) < 1e-4 * np.abs(published["logits"]).max()
    assert len(network.state_dict()) == 122


def test_resnet18_at_32_takes_the_weights_that_pyautoattack_ships() -> None:
    package = importlib.util.find_spec("pyautoattack")
    if package is None or package.origin is None:
        pytest.skip("pyautoattack is not installed")
    path = Path(package.origin).parent / "examples" / "model_test.pt"
    network = resnet.build(classes=10, depth=18, stem="small").eval()
    resnet.load_public(network, [path])
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def _masked(batch: int, height: int, width: int, *, seed: int) -> tuple[Tensor, Tensor]:
    mask = hole_mask(height, width, seed=seed).float().expand(batch, -1, -1, -1)
    return (2 * images(batch, height, width, seed=seed) - 1).float() * (1 - mask), mask


def _distance(ours: Tensor, theirs: np.ndarray[Any, Any]) -> float:
    assert ours.shape == theirs.shape
    return float(np.abs(ours.detach().numpy() - theirs).max())
