"""Attacks: balls, batches, losses, draws, and that the model stays as it is."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atop.core.errors import AtopError
from atop.core.randomness import Randomness
from atop.data.dataset import Dataset, Split
from atop.method import attack as _base
from atop.method.attack import Attack, margin
from atop.method.attacks import cw, fgsm, noise, pgd
from atop.method.attacks.clean import Clean
from atop.method.registry import build

EPS = 8 / 255
FGSM = {"norm": "Linf", "eps": "8/255", "eot": 1}
PGD = {**FGSM, "step_size": "2/255", "steps": 3, "random_start": True}
L2 = {"norm": "L2", "eps": "0.5", "step_size": "0.2"}
NOISE = {"norm": "Linf", "eps": "8/255"}
CW = {"norm": "L2", "c": 1.0, "kappa": 0.0, "lr": 0.05, "steps": 12, "eot": 1}
ALL: dict[str, tuple[Any, dict[str, Any]]] = {
    "fgsm": (fgsm, FGSM),
    "pgd": (pgd, PGD),
    "pgd-l2": (pgd, {**PGD, **L2}),
    "cw": (cw, CW),
    "noise": (noise, NOISE),
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
        rows = torch.as_tensor(randomness.draw).expand(len(x))
        self.draws += rows[randomness.index == randomness.index[0]].tolist()
        return super().__call__(x + 0.2 * randomness.normal((3, 32, 32), "noise").to(x), randomness)


def made(name: str, **changes: Any) -> Attack:
    module, row = ALL[name]
    attack: Attack = module.build(**{**row, **changes})
    return attack


@pytest.fixture
def x(images: Split) -> Tensor:
    """Four images in float64, where rounding does not change the sign of a gradient."""
    return images.inputs(32)[:4].double()


@pytest.fixture
def y(images: Split) -> Tensor:
    return images.labels[:4]


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


@pytest.mark.parametrize("direction", ["unit", "sign"])
def test_l2_results_lie_in_the_ball_and_reach_its_border(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness, direction: str
) -> None:
    x[0, 0, :4], x[0, 1, :4] = 0, 1
    found = made("pgd-l2", direction=direction, steps=5)(Noisy(classifier.double()), x, y, draw)
    assert found.min() >= 0
    assert found.max() <= 1
    distance = (found - x).flatten(1).norm(dim=1)
    assert distance.max() <= 0.5 + 1e-9
    assert distance.min() > 0.4


def test_an_l2_step_has_the_length_of_the_step_size(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness
) -> None:
    x = 0.25 + 0.5 * x  # no pixel meets 0 or 1
    attack = made("pgd-l2", steps=1, random_start=False, step_size="0.2")
    found = attack(Plain(classifier.double()), x, y, draw)
    torch.testing.assert_close((found - x).flatten(1).norm(dim=1), torch.full((4,), 0.2).double())
    assert torch.equal(made("fgsm", norm="L2", eps="0.2")(Plain(classifier), x, y, draw), found)


@pytest.mark.parametrize("name", ["fgsm", "pgd", "pgd-l2", "cw", "noise"])
def test_no_budget_leaves_the_image(
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


@pytest.mark.parametrize("name", list(ALL))
def test_an_example_is_attacked_alike_in_any_batch(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness, name: str
) -> None:
    target = Noisy(classifier.double())
    whole = made(name)(target, x, y, draw)
    order = torch.tensor([2, 0])
    some = made(name)(target, x[order], y[order], draw.select(order))
    torch.testing.assert_close(some, whole[order], rtol=0, atol=1e-9)


def test_the_margin_is_negative_where_the_answer_is_right() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    assert margin(logits, torch.tensor([0, 1])).tolist() == [-1.0, 2.0]


def test_pgd_raises_the_loss_that_it_is_given(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness
) -> None:
    target = Plain(classifier.double())
    found = {name: made("pgd", loss=name, steps=10)(target, x, y, draw) for name in _base.LOSSES}
    assert not torch.equal(found["margin"], found["cross_entropy"])
    for images in found.values():
        for loss in _base.LOSSES.values():
            assert (loss(classifier(images), y) > loss(classifier(x), y)).all()


@pytest.mark.parametrize(("name", "steps"), [("fgsm", 1), ("pgd", 3), ("pgd-l2", 3), ("cw", 3)])
def test_no_draw_of_the_target_is_used_twice(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness, name: str, steps: int
) -> None:
    target = Noisy(classifier.double())
    scaled = {} if name == "fgsm" else {"steps": steps}
    made(name, eot=2, **scaled)(target, x, y, draw)
    assert target.draws == list(range(2 * steps))


@pytest.mark.parametrize("name", list(ALL))
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


def test_cw_returns_the_image_where_it_finds_nothing(
    classifier: nn.Module, x: Tensor, y: Tensor, draw: Randomness
) -> None:
    network = classifier.double()
    y = network(x).argmax(1)
    assert torch.equal(made("cw", steps=5, lr=1e-6)(Plain(network), x, y, draw), x)


def test_kappa_is_how_far_beyond_the_border_cw_still_pushes(draw: Randomness, x: Tensor) -> None:
    def target(x: Tensor, randomness: Randomness) -> Tensor:
        return torch.tensor([[1.0, 4.0, 0.0]]).expand(len(x), -1)

    y = torch.zeros(4, dtype=torch.int64)
    for kappa, floor in ((0.0, 0.0), (2.0, -2.0), (9.0, -3.0)):
        attack = cw.build(**{**CW, "kappa": kappa})
        found, wrong = attack._margins(target, x, y, draw)
        assert found.tolist() == [floor] * 4
        assert wrong.all()


def test_cross_entropy_is_one_loss_for_each_example() -> None:
    logits, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    right, wrong = _base.cross_entropy(logits, labels)
    assert wrong - right == pytest.approx(2.0)


def test_pgd_refuses_words_that_it_does_not_know() -> None:
    for key in ("direction", "loss", "average"):
        with pytest.raises(AtopError, match=f"attacks/pgd.*no {key} 'nonsense'; known are"):
            build("attacks", "pgd", **{**PGD, key: "nonsense"})


@pytest.mark.parametrize(("name", "norm"), [("fgsm", "L1"), ("pgd", "L1"), ("cw", "Linf")])
def test_a_norm_that_an_attack_does_not_have_is_refused(name: str, norm: str) -> None:
    with pytest.raises(AtopError, match=f"attacks/{name}.*norm {norm} is not implemented"):
        build("attacks", name, **{**ALL[name][1], "norm": norm})
