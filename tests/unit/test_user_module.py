"""A module of the user's: whose draws it gets, and what it may not return."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from atop.core.errors import AtopError
from atop.core.randomness import FIXED, Randomness
from atop.method.user_module import UserModule

INDEX = torch.arange(6)
X = Randomness(0, "images", INDEX).uniform((3, 8, 8), "x")


class Linear(nn.Module):
    """Ten fixed linear functions of an image."""

    def __init__(self) -> None:
        super().__init__()
        weights = Randomness(0, "weights", torch.arange(10)).normal((3 * 8 * 8,), "w")
        self.weight = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T


class TorchNoise(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + torch.randn_like(x))


class NumpyNoise(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + torch.from_numpy(np.random.rand(*x.shape)).to(x))


class PythonNoise(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + random.random())


class OurNoise(Linear):
    def forward(self, x: Tensor, randomness: Randomness) -> Tensor:
        return super().forward(x + randomness.normal(tuple(x.shape[1:]), "noise"))


GLOBAL = [TorchNoise, NumpyNoise, PythonNoise]


def wrapped(module: nn.Module) -> UserModule:
    return UserModule(module, classes=10, pixels=8)


def draw(stream: str = "attack", number: int = 0) -> Randomness:
    return Randomness(0, stream, INDEX, number)


@pytest.mark.parametrize("kind", [*GLOBAL, OurNoise])
def test_a_random_module_repeats_a_draw_and_no_other(kind: Any) -> None:
    module = wrapped(kind())
    assert module.random
    first = module(X, draw())
    assert torch.equal(module(X, draw()), first)
    for other in (draw("evaluate"), draw("select"), draw(number=1)):
        assert (module(X, other) - first).abs().max() > 1e-3


@pytest.mark.parametrize("kind", GLOBAL)
def test_global_generators_are_left_as_they_were(kind: Any) -> None:
    def drawn() -> list[float]:
        return [torch.rand(1).item(), np.random.rand(), random.random()]

    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = drawn()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    wrapped(kind())(X, draw())
    assert drawn() == expected


def test_a_module_without_randomness_has_none() -> None:
    module = wrapped(Linear())
    assert not module.random
    assert not module.seeded
    assert torch.equal(module(X, draw()), module(X, draw("evaluate")))


@pytest.mark.parametrize("kind", [TorchNoise, OurNoise])
def test_a_known_draw_belongs_to_an_image_whatever_its_batch(kind: Any) -> None:
    module, known = wrapped(kind()), draw(FIXED)
    some = torch.tensor([4, 1])
    torch.testing.assert_close(module(X, known)[some], module(X[some], known.select(some)))


@pytest.mark.parametrize(("kind", "seeded"), [(TorchNoise, True), (OurNoise, False)])
def test_only_draws_of_the_suite_belong_to_an_image_in_attacks(kind: Any, seeded: bool) -> None:
    module, some = wrapped(kind()), torch.tensor([4, 1])
    assert module.seeded == seeded
    alone = module(X[some], draw().select(some))
    assert torch.allclose(module(X, draw())[some], alone, atol=1e-4) == (not seeded)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_stays_as_it_was_given(training: bool) -> None:
    inner = nn.Sequential(nn.Dropout(0.5), nn.Flatten(), nn.Linear(192, 10)).train(training)
    module = wrapped(inner).eval()
    assert inner.training == module.given_training == training
    assert module.random == training


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Flatten(), r"Flatten returns \(6, 192\) .*; expected logits, \(6, 10\)"),
        (nn.Identity(), r"Identity returns \(6, 3, 8, 8\)"),
        (type("Labels", (nn.Module,), {"forward": lambda _, x: x.mean((1, 2, 3))})(), r"\(6,\)"),
        (type("Pair", (nn.Module,), {"forward": lambda _, x: (x, x)})(), "returns tuple"),
    ],
)
def test_outputs_that_are_no_logits_are_refused(module: nn.Module, reason: str) -> None:
    with pytest.raises(AtopError, match=reason):
        wrapped(module)(X, draw())


def test_gradients_go_through_the_draw_of_the_forward_pass() -> None:
    module, x = wrapped(TorchNoise()), X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(module(x, draw())[:, 3].sum(), x)
    expected = module.module.weight[3].reshape(3, 8, 8).expand_as(x)
    torch.testing.assert_close(gradient, expected)
