"""Attacks: budgets, batches, averaging over draws, and what they leave behind in the model."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atop.attacks import _base, cw, fgsm, pgd
from atop.attacks._base import Attack, gradient, project_linf
from atop.attacks.clean import Clean
from atop.data import Dataset, Split
from atop.errors import AtopError
from atop.randomness import Randomness
from atop.registry import build

EPS = 8 / 255
FGSM = {"norm": "Linf", "eps": "8/255", "eot": 1}
PGD = {**FGSM, "step_size": "2/255", "steps": 3, "random_start": True}
CW = {"norm": "L2", "c": 1.0, "kappa": 0.0, "lr": 0.05, "steps": 12, "eot": 1}
ALL: dict[str, tuple[Any, dict[str, Any]]] = {
    "fgsm": (fgsm, FGSM),
    "pgd": (pgd, PGD),
    "cw": (cw, CW),
}


class Plain:
    """A target without randomness."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        logits: Tensor = self.network(x)
        return logits


class Noisy(Plain):
    """A target with randomness, which also keeps the draws that it was asked for."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.draws: list[int] = []

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        self.draws.append(randomness.draw)
        return super().__call__(x + 0.2 * randomness.normal((3, 32, 32), "noise").to(x), randomness)


def made(name: str, **changes: Any) -> Attack:
    module, row = ALL[name]
    attack: Attack = module.build(**{**row, **changes})
    return attack


@pytest.fixture
def x(pictures: Split) -> Tensor:
    """Four pictures in float64, where rounding does not change the sign of a gradient."""
    return pictures.inputs(32)[:4].double()


@pytest.fixture
def y(pictures: Split) -> Tensor:
    return pictures.labels[:4]


@pytest.fixture
def draw(randomness: Randomness) -> Randomness:
    return randomness.select(slice(0, 4))


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
@pytest.mark.parametrize("target", [Plain, Noisy])
def test_results_lie_in_the_ball_and_in_the_range_and_use_all_of_it(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness, name: str, target: type[Plain]
) -> None:
    x[0, 0, :4], x[0, 1, :4] = 0, 1
    found = made(name)(target(classifier.double()), x, y, draw)
    assert found.min() >= 0
    assert found.max() <= 1
    assert (found - x).abs().max() <= EPS + 1e-12
    inside = (x > EPS) & (x < 1 - EPS)
    border = ((found - x).abs()[inside] > EPS - 1e-9).float().mean()
    assert border > {"fgsm": 0.9, "pgd": 0.1}[name]


@pytest.mark.parametrize("name", ["fgsm", "pgd", "cw"])
def test_no_budget_leaves_the_picture(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness, name: str
) -> None:
    target = Plain(classifier.double())
    changes: dict[str, Any] = {"steps": 0} if name == "cw" else {"eps": "0"}
    assert torch.equal(made(name, **changes)(target, x, y, draw), x)


def test_pgd_without_steps_is_its_start(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness
) -> None:
    target = Plain(classifier.double())
    assert torch.equal(made("pgd", steps=0, random_start=False)(target, x, y, draw), x)
    x[0, 0, :4], x[0, 1, :4] = 0, 1
    found = made("pgd", steps=0)(target, x, y, draw)
    assert found.min() >= 0
    assert found.max() <= 1
    inside = (x > EPS) & (x < 1 - EPS)
    start = (found - x)[inside]
    assert start.abs().max() <= EPS + 1e-12
    assert float(start.std()) == pytest.approx(2 * EPS / 12**0.5, rel=0.05)  # uniform
    for other in (draw.uniform((3, 32, 32), "noise"), (found - x).flip(0)):
        both = torch.stack((start, other[inside].double()))
        assert abs(float(torch.corrcoef(both)[0, 1])) < 0.05


@pytest.mark.parametrize("name", ["fgsm", "pgd", "cw"])
def test_an_example_is_attacked_alike_in_any_batch(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness, name: str
) -> None:
    target = Noisy(classifier.double())
    whole = made(name)(target, x, y, draw)
    order = torch.tensor([2, 0])
    some = made(name)(target, x[order], y[order], draw.select(order))
    torch.testing.assert_close(some, whole[order], rtol=0, atol=1e-9)


def test_gradient_is_the_mean_over_draws_that_nobody_else_uses() -> None:
    def target(x: Tensor, randomness: Randomness) -> Tensor:
        return x.flatten(1) * randomness.normal((12,), "weights")

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return logits.sum(1) * labels

    start = Randomness(0, "attack", torch.arange(2), draw=3)
    x, labels = torch.zeros(2, 3, 2, 2), torch.tensor([1, 2])
    found = gradient(target, x, labels, loss, start, eot=4)
    drawn = torch.stack([start.at(k).normal((12,), "weights") for k in range(12, 16)])
    expected = drawn.mean(0) * labels[:, None]
    torch.testing.assert_close(found.flatten(1), expected)


@pytest.mark.parametrize(("name", "steps"), [("fgsm", 1), ("pgd", 3), ("cw", 3)])
def test_no_draw_of_the_target_is_used_twice(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness, name: str, steps: int
) -> None:
    target = Noisy(classifier.double())
    scaled = {} if name == "fgsm" else {"steps": steps}
    made(name, eot=2, **scaled)(target, x, y, draw)
    assert target.draws == list(range(2 * steps))


@pytest.mark.parametrize("name", ["fgsm", "pgd", "cw"])
def test_the_model_stays_as_it_is(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness, name: str
) -> None:
    classifier.double().requires_grad_(True)
    before = deepcopy(classifier.state_dict())
    made(name)(Plain(classifier), x, y, draw)
    for parameter in classifier.parameters():
        assert parameter.requires_grad
        assert parameter.grad is None
    after = classifier.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not classifier.training


def test_attacks_do_what_they_are_for(classifier: nn.Module, cifar_slice: Dataset) -> None:
    split = cifar_slice.test.take(slice(0, 48))
    x, y, target = split.inputs(32), split.labels, Plain(classifier)
    randomness = Randomness(0, "attack", split.index)

    def accuracy(x: Tensor) -> float:
        return float((classifier(x).argmax(1) == y).float().mean())

    clean = accuracy(Clean()(target, x, y, randomness))
    one = accuracy(made("fgsm")(target, x, y, randomness))
    many = accuracy(made("pgd", steps=10)(target, x, y, randomness))
    assert clean > 0.6
    assert one < clean - 0.3
    assert many < one


class Plane(nn.Module):
    """Two classes with a plane between them."""

    def forward(self, x: Tensor) -> Tensor:
        weights = Randomness(0, "plane", torch.zeros(1, dtype=torch.int64)).normal((3, 32, 32), "w")
        side = (weights * (x - 0.5)).sum(dim=(1, 2, 3))
        return torch.stack((side, -side), dim=1)


def test_cw_keeps_the_smallest_misclassified_iterate(
    x: Tensor, y: Tensor, draw: Randomness
) -> None:
    network = Plane()
    y = network(x).argmax(1)
    iterates: list[Tensor] = []
    handle = network.register_forward_pre_hook(lambda _, args: iterates.append(args[0].detach()))
    found = made("cw", steps=100, lr=0.01)(Plain(network), x, y, draw)
    handle.remove()
    improved = []
    for i in range(len(x)):
        seen = torch.stack([step[i] for step in iterates])
        wrong = network(seen).argmax(1) != y[i]
        kept = int((seen == found[i]).flatten(1).all(1).nonzero()[0])
        norms = torch.where(wrong, (seen - x[i]).flatten(1).norm(dim=1), torch.inf)
        assert norms[kept] == norms[: kept + 1].min() < torch.inf
        improved.append(int(wrong.nonzero()[0]) < kept)
    assert any(improved)


def test_cw_returns_the_picture_where_it_finds_nothing(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness
) -> None:
    network = classifier.double()
    y = network(x).argmax(1)
    assert torch.equal(made("cw", steps=5, lr=1e-6)(Plain(network), x, y, draw), x)


def test_kappa_is_how_far_beyond_the_border_cw_still_pushes(draw: Randomness, x: Tensor) -> None:
    def target(x: Tensor, randomness: Randomness) -> Tensor:
        return torch.tensor([[1.0, 4.0, 0.0]]).expand(len(x), -1)

    y = torch.zeros(4, dtype=torch.int64)
    for kappa, margin in ((0.0, 0.0), (2.0, -2.0), (9.0, -3.0)):
        attack = cw.build(**{**CW, "kappa": kappa})
        found, wrong = attack._margins(target, x, y, draw)
        assert found.tolist() == [margin] * 4
        assert wrong.all()


def test_projection_is_the_nearest_picture_of_the_ball() -> None:
    x = torch.tensor([0.5, 0.5, 0.01, 0.99, 0.5])
    moved = torch.tensor([0.9, 0.1, -1.0, 2.0, 0.52])
    found = project_linf(moved, x, 0.1)
    torch.testing.assert_close(found, torch.tensor([0.6, 0.4, 0.0, 1.0, 0.52]))


def test_cross_entropy_is_one_loss_for_each_example() -> None:
    logits, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    right, wrong = _base.cross_entropy(logits, labels)
    assert wrong - right == pytest.approx(2.0)


@pytest.mark.parametrize(("name", "norm"), [("fgsm", "L2"), ("pgd", "L2"), ("cw", "Linf")])
def test_a_norm_that_an_attack_does_not_have_is_refused(name: str, norm: str) -> None:
    with pytest.raises(AtopError, match=f"attacks/{name}.*norm {norm} is not implemented"):
        build("attacks", name, **{**ALL[name][1], "norm": norm})
