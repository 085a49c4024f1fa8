"""Our attacks against torchattacks 3.5.1: same network, same images (see make_fixtures.py)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from weights import SmallNet

from atop.core.randomness import Randomness
from atop.method.attacks import pgd
from atop.method.attacks.cw import CW
from atop.method.attacks.fgsm import FGSM

EPS = 8 / 255
TOLERANCE = 1e-6
Fixture = dict[str, Tensor]
Target = Callable[[Tensor, Randomness], Tensor]


@pytest.fixture(scope="module")
def published() -> Fixture:
    with np.load(Path(__file__).parent / "fixtures" / "attacks.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="module")
def target() -> Target:
    network = SmallNet()
    return lambda x, _: network(x)


RANDOMNESS = Randomness(0, "parity", torch.arange(8))


def test_fgsm(target: Target, published: Fixture) -> None:
    fgsm = FGSM(norm="Linf", eps=EPS, eot=1)
    found = fgsm(target, published["images"], published["labels"], RANDOMNESS)
    torch.testing.assert_close(found, published["fgsm"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("steps", [10, 20])
def test_pgd_from_the_same_start(target: Target, published: Fixture, steps: int) -> None:
    x, start = published["images"], published["images"] + published["start"]
    row = {"norm": "Linf", "eps": "8/255", "step_size": "2/255", "random_start": True, "eot": 1}
    attack = pgd.build(**row, steps=steps)
    found = attack(target, x, published["labels"], RANDOMNESS, start=start)
    torch.testing.assert_close(found, published[f"pgd{steps}"], rtol=0, atol=TOLERANCE)


def test_cw_in_one_batch_is_the_published_one_image_by_image(
    target: Target, published: Fixture
) -> None:
    x, labels = published["images"], published["labels"]
    forwards, success = published["cw_forwards"], published["cw_success"]
    assert (forwards < 100).any()  # images that stop early beside images that do not
    assert (forwards == 100).any()
    assert success.any()
    assert not success.all()
    cw = CW(c=1, kappa=0, lr=0.01, steps=100, eot=1)
    found = cw(target, x, labels, RANDOMNESS)
    torch.testing.assert_close(found, published["cw"], rtol=0, atol=TOLERANCE)
    assert torch.equal(target(found, RANDOMNESS).argmax(1) != labels, success)
    assert torch.equal((found == x).flatten(1).all(1) & ~success, ~success)
