"""StAdv: where a flow may point, which iterate comes back, and what it leaves alone."""

import random
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.data.dataset import Dataset, Split
from atop.method.attack import Target, margin
from atop.method.attacks import stadv
from atop.method.attacks.stadv import StAdv

BOUND, LR = 0.05, 0.01
CENTRES = (2 * torch.arange(32).double() + 1) / 32 - 1
GRID = torch.stack(torch.meshgrid(CENTRES, CENTRES, indexing="xy"), dim=-1)


def made(**changes: Any) -> StAdv:
    return stadv.build(**{"bound": "0.05", "steps": 8, "lr": LR, "eot": 1, **changes})


def plain(network: nn.Module) -> Target:
    return lambda x, randomness: network(x)


def noisy(network: nn.Module, draws: list[Any] | None = None) -> Target:
    """A random target, which also notes the draws that it is asked for."""

    def target(x: Tensor, randomness: Randomness) -> Tensor:
        if draws is not None:
            draws.append(randomness.draw)
        logits: Tensor = network(x + 0.2 * randomness.normal((3, 32, 32), "noise").to(x))
        return logits

    return target


@pytest.fixture
def x(images: Split) -> Tensor:
    """Four images in float64, one of them rounded to 0 and 1."""
    x = images.inputs(32)[:4].double()
    x[1] = x[1].round()
    return x


@pytest.fixture
def y(images: Split) -> Tensor:
    return images.labels[:4]


@pytest.fixture
def draw(randomness: Randomness) -> Randomness:
    return randomness.select(slice(0, 4))


def test_flows_lie_in_the_ball_and_in_the_picture_and_use_both(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness
) -> None:
    target = plain(classifier.double())
    for flow, _ in made().iterates(target, x, y, draw):
        assert flow.abs().max() <= BOUND
        assert (GRID + flow).abs().max() <= 1 + 1e-12
    flow = made().run(target, x, y, draw)
    assert flow.abs().max() == BOUND
    assert (GRID + flow).abs().max() == pytest.approx(1)
    assert flow[:, :, -1, 0].max() < BOUND  # half a pixel, 1/32, is left to the right of them
    found = made()(target, x, y, draw)
    torch.testing.assert_close(found, stadv.warp(x, flow))


def test_images_stay_in_the_range_whatever_rounding_does(
    x: Tensor, draw: Randomness, monkeypatch: pytest.MonkeyPatch
) -> None:
    warp = stadv.warp
    monkeypatch.setattr(stadv, "warp", lambda x, flow: 1.001 * warp(x, flow) - 0.0005)
    target = rising(torch.tensor([[0.0], [1e4]]).expand(-1, 4), [])
    found = made(steps=1)(target, x, torch.zeros(4, dtype=torch.int64), draw)
    assert found[1].max() == 1
    assert found[1].min() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("nothing", [{"steps": 0}, {"bound": "0"}], ids=str)
def test_no_budget_leaves_the_image(
    classifier: nn.Module,
    x: Tensor,
    y: Tensor,
    draw: Randomness,
    nothing: dict[str, Any],
    dtype: torch.dtype,
) -> None:
    x, target = x[..., 2:, 1:].to(dtype), plain(classifier.to(dtype))
    found = made(**nothing)(target, x, y, draw)
    assert torch.equal(found, x)
    assert found.dtype == dtype
    still = stadv.warp(x, torch.zeros(4, 30, 31, 2, dtype=dtype))
    assert not torch.equal(still, x)  # so it does not come of itself; it does at 32x32 in float32


def test_an_example_is_attacked_alike_in_any_batch(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness
) -> None:
    target = noisy(classifier.double())
    whole = made(steps=4, eot=2)(target, x, y, draw)
    order = torch.tensor([2, 0])
    some = made(steps=4, eot=2)(target, x[order], y[order], draw.select(order))
    torch.testing.assert_close(some, whole[order], rtol=0, atol=1e-9)


def test_each_step_looks_at_draws_of_its_own(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness
) -> None:
    draws: list[Any] = []
    made(steps=3, eot=2)(noisy(classifier.double(), draws), x, y, draw.at(5))
    assert draws == list(range(10, 18))


def test_the_objective_is_the_mean_margin_less_the_roughness_and_its_slope_is_followed(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness
) -> None:
    target = noisy(classifier.double())

    def expected(flow: Tensor, step: int) -> Tensor:
        warped = stadv.warp(x, flow)
        margins = [margin(target(warped, draw.at(4 * step + k)), y) for k in range(4)]
        return torch.stack(margins).mean(0) - 0.0025 / BOUND * stadv.roughness(flow)

    (start, first), (then, second) = made(steps=1, eot=4).iterates(target, x, y, draw)
    assert not start.any()
    start.requires_grad_()
    (gradient,) = torch.autograd.grad(expected(start, 0).sum(), start)
    torch.testing.assert_close(first, expected(start, 0).detach())
    torch.testing.assert_close(second, expected(then, 1))
    steep = gradient.abs() > 1e-5
    assert steep.float().mean() > 0.7
    step = LR * gradient.sign()  # Adam's first
    torch.testing.assert_close(then[steep], step[steep], rtol=0.01, atol=0)


def test_roughness_is_the_sum_over_the_four_neighbours() -> None:
    flow = torch.randn(2, 5, 7, 2, generator=torch.Generator().manual_seed(0)).double()
    padded = F.pad(flow.permute(0, 3, 1, 2), (1, 1, 1, 1), mode="replicate").permute(0, 2, 3, 1)
    expected = torch.zeros(2).double()
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        neighbour = padded[:, rows : rows + 5, columns : columns + 7]
        expected += ((flow - neighbour).square().sum(3) + 1e-10).sqrt().sum((1, 2))
    torch.testing.assert_close(stadv.roughness(flow), expected)


def rising(levels: Tensor, seen: list[Tensor]) -> Target:
    """Margins at the heights levels (steps + 1, B), with a slope that moves every pixel."""

    def target(x: Tensor, randomness: Randomness) -> Tensor:
        seen.append(x.detach())
        weights = randomness.at(0).normal((3, 32, 32), "weights").to(x)
        wrong = levels[int(randomness.draw)] + (weights * x).sum((1, 2, 3))
        return torch.stack((torch.zeros_like(wrong), wrong), dim=1)

    return target


def test_each_example_gets_the_picture_that_was_looked_at_when_its_objective_was_highest(
    x: Tensor, draw: Randomness
) -> None:
    highest = [0, 1, 3, 2]  # the first iterate, the last one, and two between
    levels = torch.zeros(4, 4).double()
    levels[highest, torch.arange(4)] = 1e4
    levels[1, 2] = 5e3  # one that is beaten later
    seen: list[Tensor] = []
    found = made(steps=3)(rising(levels, seen), x, torch.zeros(4, dtype=torch.int64), draw)
    assert len(seen) == 4
    for i, step in enumerate(highest):
        torch.testing.assert_close(found[i], seen[step][i], rtol=0, atol=1e-12)
        others = [float((seen[k][i] - found[i]).abs().max()) for k in range(4) if k != step]
        assert min(others) > 1e-3
    assert torch.equal(found[0], x[0])


def test_smoothness_counts_against_the_margin(x: Tensor, draw: Randomness) -> None:
    y = torch.zeros(4, dtype=torch.int64)
    target = rising(torch.zeros(9, 4).double(), [])

    def faint(x: Tensor, randomness: Randomness) -> Tensor:
        return target(x, randomness) / 1e4

    *_, (rough, _) = made().iterates(target, x, y, draw)
    *_, (smooth, _) = made().iterates(faint, x, y, draw)
    assert (stadv.roughness(smooth) < 0.2 * stadv.roughness(rough)).all()


def test_nothing_else_changes(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness
) -> None:
    classifier.double().requires_grad_(True)
    before, given = deepcopy(classifier.state_dict()), x.clone()
    torch.manual_seed(1)
    random.seed(1)
    states = torch.get_rng_state(), random.getstate()
    found = made(steps=2)(noisy(classifier), x, y, draw)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert torch.is_grad_enabled()
    assert not found.requires_grad
    assert torch.equal(x, given)
    for parameter in classifier.parameters():
        assert parameter.requires_grad
        assert parameter.grad is None
    after = classifier.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    torch.manual_seed(2)
    assert torch.equal(made(steps=2)(noisy(classifier), x, y, draw), found)


def test_it_does_what_it_is_for(classifier: nn.Module, cifar_slice: Dataset) -> None:
    split = cifar_slice.test.take(slice(0, 32))
    x, y, draw = split.inputs(32), split.labels, Randomness(0, "attack", split.index)

    def accuracy(x: Tensor) -> float:
        return float((classifier(x).argmax(1) == y).float().mean())

    little, more = (
        accuracy(made(bound=bound, steps=6)(plain(classifier), x, y, draw))
        for bound in ("0.006", "0.01")
    )
    assert accuracy(x) > 0.6
    assert little < accuracy(x) - 0.1
    assert more < little - 0.1


def test_a_flow_of_one_pixel_moves_the_picture_by_one_pixel() -> None:
    x = torch.rand(2, 3, 4, 8, generator=torch.Generator().manual_seed(0)).double()
    flow = torch.zeros(2, 4, 8, 2).double()
    flow[0, ..., 0], flow[1, ..., 1] = 2 / 8, 2 / 4  # looks to the right; looks down
    found = stadv.warp(x, flow)
    torch.testing.assert_close(found[0, :, :, :-1], x[0, :, :, 1:])
    torch.testing.assert_close(found[1, :, :-1], x[1, :, 1:])
    assert found[0, :, :, -1].abs().max() < 1e-12  # black beyond the border
    assert found[1, :, -1].abs().max() < 1e-12
