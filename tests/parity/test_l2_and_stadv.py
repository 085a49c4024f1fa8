"""L2 PGD against foolbox 3.3.4, StAdv against DiffPure's copy (see make_attack_fixtures.py)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from make_attack_fixtures import STADV, Steep
from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.attack import Target
from atop.method.attacks import pgd, stadv

RANDOMNESS = Randomness(0, "parity", torch.arange(8))
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-5}
Fixture = dict[str, Tensor]


@pytest.fixture(scope="module")
def published() -> Fixture:
    arrays: Fixture = {}
    for name in ("attacks", "l2_and_stadv"):
        with np.load(Path(__file__).parent / "fixtures" / f"{name}.npz") as file:
            arrays |= {key: torch.from_numpy(file[key]) for key in file.files}
    return arrays


def target(dtype: torch.dtype) -> Target:
    network = Steep().to(dtype)
    return lambda x, randomness: network(x)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("steps", [10, 20])
def test_l2_pgd(published: Fixture, steps: int, dtype: torch.dtype) -> None:
    x, y, theirs = published["images"].to(dtype), published["labels"], published[f"l2_{steps}"]
    attack = pgd.build(
        norm="L2",
        eps="0.5",
        step_size="0.1",
        steps=steps,
        random_start=False,
        eot=1,
        direction="unit",
    )
    found = attack(target(dtype), x, y, RANDOMNESS)
    torch.testing.assert_close(found, theirs.to(dtype), rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("name", STADV)
def test_stadv_goes_the_published_way(published: Fixture, name: str) -> None:
    """In float64 only: roughness has kinks, where float32's rounding decides on a step of Adam."""
    bound, steps = STADV[name]
    x, y = published["images"], published["labels"]
    attack = stadv.build(bound=str(bound), steps=steps, lr=0.01, eot=1)
    iterates = attack.iterates(target(x.dtype), x, y, RANDOMNESS)
    flows, objectives = zip(*iterates, strict=True)
    found = {
        "objective": torch.stack(objectives[:-1]),  # it does not look at what it returns
        "flow": stadv.identity(x) + flows[-1],
        "stadv": stadv.warp(x, flows[-1]),
    }
    for what, ours in found.items():
        torch.testing.assert_close(ours, published[f"{what}_{name}"], rtol=0, atol=1e-6)


def test_the_fixtures_meet_every_limit(published: Fixture) -> None:
    for steps in (10, 20):  # the ball, and the range that holds some images back from its border
        lengths = (published[f"l2_{steps}"] - published["images"]).flatten(1).norm(dim=1)
        assert lengths.max() > 0.5 - 1e-9
        assert lengths.min() < 0.4995
    flow = published["flow_short"] - stadv.identity(published["images"])
    assert (flow.abs() > 0.05 - 1e-9).any()
    assert (published["flow_wide"].abs() == 1).any()
