"""Draws of a defence that is called as a plain module: none twice, and wrong calls are refused."""

import copy
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest
import torch
from support.parts import random_transform
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from atop.core.errors import AtopError
from atop.core.files import ROOT
from atop.data.dataset import Split
from atop.method.defense import Defense, Sizes
from atop.method.fresh_draws import FreshDraws
from atop.method.purifiers.identity import Identity

PROGRAM = """
import torch
from atop.method.fresh_draws import FreshDraws
print(FreshDraws({seed}).of(torch.zeros(1, 3, 2, 2)).uniform((2,), "x").tolist())
"""


@pytest.fixture
def parts(classifier: nn.Module) -> dict[str, Any]:
    return {
        "transform": random_transform("rt2"),
        "purifier": Identity(),
        "classifier": classifier,
        "sizes": Sizes(input=32, purifier=32, classifier=32),
    }


@pytest.fixture
def x(images: Split) -> Tensor:
    return images.inputs(32)


def differ(first: Tensor, second: Tensor) -> bool:
    return bool((first - second).abs().max() > 1e-3)


def test_each_call_draws_anew_whatever_the_global_generators_hold(
    parts: dict[str, Any], x: Tensor
) -> None:
    defense = Defense(**parts)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = defense(x)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(0)  # as AutoAttack does before every batch
    assert differ(defense(x), first)
    assert differ(Defense(**parts)(x), first)


def test_a_seed_repeats_the_draws(parts: dict[str, Any], x: Tensor) -> None:
    first, second = Defense(**parts, seed=1), Defense(**parts, seed=1)
    assert torch.equal(first(x), second(x))
    assert torch.equal(first(x), second(x))
    assert differ(Defense(**parts, seed=2)(x), Defense(**parts, seed=1)(x))


@pytest.mark.parametrize(("seed", "same"), [(None, False), (3, True)])
def test_processes_draw_apart_unless_a_seed_is_given(seed: int | None, same: bool) -> None:
    def draws() -> str:
        command = [sys.executable, "-c", PROGRAM.format(seed=seed)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout

    assert (draws() == draws()) == same


def test_a_fork_draws_apart_from_its_parent() -> None:
    draws, x = FreshDraws(), torch.zeros(1, 3, 2, 2)
    draws.of(x)
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, pickle.dumps(draws.of(x).seed))
        os._exit(0)
    os.waitpid(child, 0)
    assert pickle.loads(os.read(reading, 100)) != draws.of(x).seed


def test_replicas_and_copies_share_no_draw(parts: dict[str, Any], x: Tensor) -> None:
    defense = Defense(**parts, seed=0)
    replica = defense._replicate_for_data_parallel()
    outputs = [defense(x), replica(x), copy.deepcopy(defense)(x), defense(x)]
    assert all(differ(a, b) for i, a in enumerate(outputs) for b in outputs[:i])


def test_a_pickled_defence_draws_apart_but_for_its_seed(x: Tensor) -> None:
    def seed_of(draws: FreshDraws) -> int:
        return draws.of(x).seed

    draws = FreshDraws()
    assert seed_of(pickle.loads(pickle.dumps(draws))) != seed_of(draws)
    assert seed_of(pickle.loads(pickle.dumps(FreshDraws(5)))) == 5


@pytest.mark.parametrize("reentrant", [True, False])
def test_recomputation_with_another_draw_is_refused(
    parts: dict[str, Any], x: Tensor, reentrant: bool
) -> None:
    x = x.requires_grad_()
    logits = checkpoint(Defense(**parts), x, use_reentrant=reentrant)
    with pytest.raises(AtopError, match="a backward pass calls the defence again"):
        logits.sum().backward()


def test_recomputation_with_the_draw_is_right(
    parts: dict[str, Any], x: Tensor, randomness: Any
) -> None:
    defense, x = Defense(**parts), x.requires_grad_()
    (exact,) = torch.autograd.grad(defense(x, randomness).square().sum(), x)
    again = checkpoint(defense, x, randomness, use_reentrant=False)
    (gradient,) = torch.autograd.grad(again.square().sum(), x)
    torch.testing.assert_close(gradient, exact)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x: (255 * x).byte(), "images are torch.uint8"),
        (lambda x: 255 * x, r"images are in \[.*\]; expected \[0, 1\]"),
        (lambda x: 2 * x - 1, r"images are in \[-"),
        (lambda x: x * torch.nan, r"images are in \[nan"),
        (lambda x: x[0], r"images are \(3, 32, 32\)"),
        (lambda x: x[:, :1], r"images are \(8, 1, 32, 32\)"),
    ],
)
def test_images_of_another_range_are_refused(
    parts: dict[str, Any], x: Tensor, change: Any, reason: str
) -> None:
    with pytest.raises(AtopError, match=reason):
        Defense(**parts)(change(x))
