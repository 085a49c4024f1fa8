"""Attacks: budgets, batches, averaging over draws, and what they leave behind in the model."""

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
from atop.method.eot import Victim, slope, slope_of_mean
from atop.method.registry import build
from atop.method.threat_models import project, random_start

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


@pytest.mark.parametrize("name", list(ALL))
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
    drawn = torch.stack([start.at(k).normal((12,), "weights") for k in range(12, 16)])
    expected = drawn.mean(0) * labels[:, None]
    for rows in (2, 4, 6, 8, 100):  # one, two, three and all draws a pass
        found = slope(Victim(target, rows=rows), x, labels, loss, start, eot=4)
        torch.testing.assert_close(found.gradient.flatten(1), expected)
        assert found.loss.shape == (2,)
        torch.testing.assert_close(found.logits, torch.zeros(2, 12))


def test_memory_that_runs_out_halves_the_draws_of_a_pass_and_loses_none() -> None:
    asked: list[int] = []
    drawn: list[int] = []

    def target(x: Tensor, randomness: Randomness) -> Tensor:
        asked.append(len(x))
        if len(x) > 6:
            raise torch.OutOfMemoryError
        drawn.extend(torch.as_tensor(randomness.draw).expand(len(x))[::2].tolist())
        return x.flatten(1)

    start = Randomness(0, "attack", torch.arange(2))
    x, labels = torch.rand(2, 3, 2, 2), torch.tensor([1, 2])
    victim = Victim(target, rows=1 << 30)
    found = slope(victim, x, labels, lambda logits, _: logits.sum(1), start, eot=10)
    assert asked == [20, 10, 4, 4, 4, 4, 4]
    assert drawn == list(range(10))
    torch.testing.assert_close(found.gradient, torch.ones_like(x))
    slope(victim, x, labels, lambda logits, _: logits.sum(1), start, eot=2)
    assert asked[-1] == 4  # what fits is remembered

    def full(x: Tensor, randomness: Randomness) -> Tensor:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        slope(full, x, labels, margin, start, eot=3)


def test_a_target_that_does_not_draw_is_looked_at_once() -> None:
    x, labels = torch.rand(2, 3, 2, 2), torch.tensor([1, 2])
    start = Randomness(0, "attack", torch.arange(2))
    for random, looks in ((False, 1), (True, 20)):
        victim = Victim(lambda x, _: x.flatten(1), rows=2, random=random)
        found = slope(victim, x, labels, margin, start, eot=20)
        assert victim.pictures == 2 * looks
        torch.testing.assert_close(found.logits, x.flatten(1))


def test_pgd_can_take_the_loss_of_the_mean_logits() -> None:
    def target(x: Tensor, randomness: Randomness) -> Tensor:
        return (x.flatten(1) + randomness.normal((12,), "noise")) ** 3

    start = Randomness(0, "attack", torch.arange(2), draw=1)
    x, labels = torch.rand(2, 3, 2, 2), torch.tensor([1, 2])
    leaf = x.clone().requires_grad_(True)
    logits = torch.stack([target(leaf, start.at(k)) for k in range(3, 6)]).mean(0)
    (expected,) = torch.autograd.grad(_base.cross_entropy(logits, labels).sum(), leaf)
    for rows in (2, 4, 100):
        victim = Victim(target, rows=rows)
        found = slope_of_mean(victim, x, labels, _base.cross_entropy, start, eot=3)
        torch.testing.assert_close(found.gradient, expected)
    step = {"steps": 1, "random_start": False, "eot": 3, "eps": "1", "step_size": "0.1"}
    moved = made("pgd-l2", average="logits", **step)(target, x, labels, start)
    towards = (moved - x).flatten(1)
    cosine = torch.nn.functional.cosine_similarity(towards, expected.flatten(1))
    clipped = ((moved == 0) | (moved == 1)).flatten(1).any(1)
    torch.testing.assert_close(cosine[~clipped], torch.ones_like(cosine)[~clipped])
    assert not clipped.all()


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
    for kappa, floor in ((0.0, 0.0), (2.0, -2.0), (9.0, -3.0)):
        attack = cw.build(**{**CW, "kappa": kappa})
        found, wrong = attack._margins(target, x, y, draw)
        assert found.tolist() == [floor] * 4
        assert wrong.all()


def test_projection_is_the_nearest_picture_of_the_ball() -> None:
    x = torch.tensor([0.5, 0.5, 0.01, 0.99, 0.5])
    moved = torch.tensor([0.9, 0.1, -1.0, 2.0, 0.52])
    found = project(moved, x, 0.1, "Linf")
    torch.testing.assert_close(found, torch.tensor([0.6, 0.4, 0.0, 1.0, 0.52]))


def test_projection_on_an_l2_ball_keeps_the_direction() -> None:
    x = torch.full((2, 3, 2, 2), 0.5)
    delta = torch.zeros_like(x)
    delta[0, 0, 0], delta[1, 0, 0] = torch.tensor([0.3, -0.4]), torch.tensor([0.03, -0.04])
    found = project(x + delta, x, 0.1, "L2") - x
    torch.testing.assert_close(found[0, 0, 0], torch.tensor([0.06, -0.08]))
    torch.testing.assert_close(found[1], delta[1])  # inside already


def test_a_random_start_fills_the_ball() -> None:
    x = torch.full((4000, 1, 1, 2), 0.5)
    delta = random_start(x, 0.1, "L2", Randomness(0, "a", torch.arange(4000))) - x
    radius = delta.flatten(1).norm(dim=1)
    assert radius.max() <= 0.1
    assert float((radius < 0.05).float().mean()) == pytest.approx(0.25, abs=0.03)  # by area
    assert delta.mean(0).abs().max() < 0.01


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
