"""AutoAttack on random targets: everybody is attacked, and the judge gets several candidates."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.method.attack import cross_entropy, margin
from atop.method.attacks import autoattack
from atop.method.attacks._ungated import Expectation, candidates
from atop.method.autoattack_library import sub_attack
from atop.method.eot import BatchedTarget, eot_gradient

ROWS: dict[str, dict[str, Any]] = {
    "apgd-ce": {"steps": 2, "eot": 2},
    "apgd-dlr": {"steps": 2, "eot": 2},
    "apgd-t": {"steps": 2, "eot": 2, "targets": 2},
    "fab-t": {"steps": 2, "targets": 2},
    "square": {"queries": 5, "rescale": False, "eot": 2},
}
MANY = {"apgd-ce": 2, "apgd-dlr": 2, "apgd-t": 4, "fab-t": 4, "square": 1}
EPS = {"Linf": "8/255", "L2": "0.5"}


def made(attack: str, *, version: str = "judged", **changes: Any) -> autoattack.SubAttack:
    row = {"norm": "Linf", "eps": "8/255", **ROWS[attack], **changes}
    return autoattack.build(attack=attack, version=version, **row)


class Unlucky:
    """A target that misclassifies every other image in some draws and is the classifier otherwise.

    Of its looks at the whole batch it is the first one, which AutoAttack's gate takes, and each
    `every`-th after it.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], y: Tensor, *, every: int) -> None:
        self.network, self.y, self.every, self.looks = network, y, every, 0

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        logits = self.network(x)
        whole = len(x) == len(self.y)
        self.looks += whole
        if not whole or (self.looks - 1) % self.every:
            return logits
        unlucky = F.one_hot((self.y + 1) % 10, 10) * 100.0
        unlucky[1::2] = 0
        return logits + unlucky


@pytest.mark.parametrize("attack", ROWS)
def test_an_unlucky_first_draw_takes_images_out_of_the_official_version_only(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness, attack: str
) -> None:
    moved = {}
    for version in autoattack.VERSIONS:
        target = BatchedTarget(Unlucky(classifier, y, every=10_000), rows=8)
        found = made(attack, version=version).candidates(target, x, y, randomness)
        moved[version] = torch.stack([(one != x).flatten(1).any(1) for one in found])
    assert not moved["official"][:, ::2].any()
    assert moved["judged"].any(0).all()
    assert moved["judged"][-1].all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", EPS)
@pytest.mark.parametrize("attack", ROWS)
def test_candidates_are_as_many_as_are_told_and_lie_inside_the_ball(
    classifier: nn.Module,
    x: Tensor,
    y: Tensor,
    randomness: Randomness,
    attack: str,
    norm: str,
    dtype: torch.dtype,
) -> None:
    network = classifier.to(dtype)

    def target(x: Tensor, draw: Randomness) -> Tensor:
        return network(x + 0.1 * draw.normal((3, 32, 32), "noise").to(x))  # type: ignore[no-any-return]

    x = x.to(dtype) + 1e-9
    x[0, 0, :4], x[0, 1, :4] = 0, 1
    x.clamp_(max=1)
    method = made(attack, norm=norm, eps=EPS[norm])
    for some in (slice(0, 1), slice(0, 8)):  # of batches, which may be split
        found = method.candidates(target, x[some], y[some], randomness.select(some))
        assert len(found) == MANY[attack]
    eps = method.eps + (1e-12 if dtype == torch.float64 else 1e-6)
    for one in found:
        delta = (one - x).flatten(1)
        assert one.dtype == dtype
        assert not one.requires_grad
        assert torch.isfinite(one).all()
        assert one.min() >= 0
        assert one.max() <= 1
        assert (delta.norm(dim=1) if norm == "L2" else delta.abs().amax(1)).max() <= eps
    assert torch.equal(method(target, x, y, randomness), found[-1])


@pytest.mark.parametrize("attack", ROWS)
def test_where_draws_do_not_differ_it_is_the_library(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness, attack: str
) -> None:
    target = BatchedTarget(lambda x, _: classifier(x), rows=8, random=False)
    ours, theirs = (
        made(attack, version=version).candidates(target, x, y, randomness)
        for version in autoattack.VERSIONS
    )
    assert len(ours) == 1
    assert torch.equal(*ours, *theirs)


@pytest.mark.parametrize("attack", ["apgd-ce", "apgd-dlr", "apgd-t"])
def test_apgd_iterates_as_the_library_does(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness, attack: str
) -> None:
    """With expectations over draws that agree, the best iterate is the library's, to rounding."""
    budget: dict[str, Any] = {**ROWS[attack], "eot": 1, "steps": 5}
    ball: dict[str, Any] = {"norm": "Linf", "eps": 2 / 255}
    ours = candidates(
        attack, lambda x, _: classifier(x), x, y, randomness, average=1,
        options={**budget, "eot": 2}, **ball,
    )  # fmt: skip
    method = sub_attack(attack, classifier, seed=randomness.seed, options=budget, **ball)
    method.init_hyperparam(x)
    rank = classifier(x).scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)
    with torch.random.fork_rng():
        torch.manual_seed(randomness.seed)
        for k in range(len(ours) // 2):
            method.y_target = rank[:, k] if attack == "apgd-t" else None
            best, *_ = method.attack_single_run(x, y)
            away = (ours[2 * k] - best).flatten(1).abs().amax(1) > 1e-6
            assert away.sum() <= 1  # the sign of a gradient near zero may differ
            assert not torch.equal(best, x)


def test_apgd_learns_what_is_expected_over_its_draws(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness
) -> None:
    def target(x: Tensor, draw: Randomness) -> Tensor:
        return classifier(x + 0.2 * draw.normal((3, 32, 32), "noise"))  # type: ignore[no-any-return]

    look = Expectation(target, randomness, eot=4, dtype=x.dtype)
    look.logits(x)
    logits, loss, gradient = look.get_logits_loss_grad_xent(x, y)
    each = [target(x, randomness.at(4 + k)) for k in range(4)]
    torch.testing.assert_close(logits, torch.stack(each).mean(0))
    same = replace(randomness, stream=f"{randomness.stream}:compared")
    losses = torch.stack([cross_entropy(target(x, same.at(k)), y) for k in range(4)])
    torch.testing.assert_close(loss, losses.mean(0))
    torch.testing.assert_close(look.get_logits_loss_grad_xent(x, y)[1], loss)  # at every look
    expected = eot_gradient(target, x, y, cross_entropy, randomness.at(1), eot=4).gradient
    torch.testing.assert_close(gradient, expected)
    assert (losses.std(0) > 0).all()


def test_targeted_losses_of_several_draws_are_those_of_each(
    x: Tensor, y: Tensor, classifier: nn.Module, randomness: Randomness
) -> None:
    """Draws that ride in one pass have their own labels and target classes."""
    noisy = lambda x, draw: classifier(x + 0.2 * draw.normal((3, 32, 32), "noise"))  # noqa: E731
    aim, found = (y + 3) % 10, []
    for rows in (8, 24):
        look = Expectation(BatchedTarget(noisy, rows=rows), randomness, eot=3, dtype=x.dtype)
        found.append(look.get_logits_loss_grad_target(x, y, aim))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    same = replace(randomness, stream=f"{randomness.stream}:compared")
    logits = [noisy(x, same.at(k)) for k in range(3)]
    by_hand = []
    for one in logits:
        high = one.sort(1, descending=True)[0]
        gap = one.gather(1, y[:, None]) - one.gather(1, aim[:, None])
        by_hand.append(-gap[:, 0] / (high[:, 0] - (high[:, 2] + high[:, 3]) / 2))
    torch.testing.assert_close(found[0][1], torch.stack(by_hand).mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attack", ["apgd-t", "fab-t"])
def test_target_classes_are_wrong_ones(
    classifier: nn.Module, x: Tensor, randomness: Randomness, attack: str
) -> None:
    """Of an image that is misclassified the true class is among the likeliest others."""
    y = classifier(x).argsort(1, descending=True)[:, 1]
    found = made(attack, targets=1, eot=1) if attack == "apgd-t" else made(attack, targets=1)
    last = found.candidates(lambda x, _: classifier(x), x, y, randomness)[-1]
    assert (last != x).flatten(1).any(1).all()
    assert torch.isfinite(last).all()


def test_square_queries_everybody_to_the_end(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness
) -> None:
    target = BatchedTarget(Unlucky(classifier, y, every=3), rows=8)
    (found,) = made("square", queries=30, eot=1).candidates(target, x, y, randomness)
    assert target.image_count == 8 * (1 + 30)  # its start, and its queries
    before, after = (margin(classifier(one), y) for one in (x, found))
    assert (after > before)[1::2].float().mean() > 0.7
