"""Sub-attacks of AutoAttack one by one: balls, budgets, draws and options."""

from typing import Any

import pytest
import torch
from support.sub_attacks import BALLS, ROWS, Noisy, Recorder, linear, made
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.method.attacks import autoattack
from atop.method.eot import BatchedTarget


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", BALLS)
@pytest.mark.parametrize("attack", ROWS)
def test_a_sub_attack_fools_inside_the_ball_and_leaves_alone_what_it_does_not_fool(
    classifier: nn.Module,
    x: Tensor,
    y: Tensor,
    randomness: Randomness,
    attack: str,
    norm: str,
    dtype: torch.dtype,
) -> None:
    network = classifier.to(dtype)
    x = x.to(dtype) + 1e-9  # in float64 no image that float32 knows
    x[0, 0, :4], x[0, 1, :4] = 0, 1
    x.clamp_(max=1)
    found = made(attack, norm=norm)(Recorder(network), x, y, randomness)
    assert found.dtype == dtype
    assert not found.requires_grad
    assert torch.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1
    delta = (found - x).flatten(1)
    size = delta.norm(dim=1) if norm == "L2" else delta.abs().amax(1)
    assert size.max() <= BALLS[norm][1] + (1e-12 if dtype == torch.float64 else 1e-6)
    moved = size > 0
    assert not moved[3]
    assert moved.any()
    assert (network(found).argmax(1) != y)[moved].all()


@pytest.mark.parametrize("version", autoattack.VERSIONS)
@pytest.mark.parametrize("attack", ROWS)
def test_no_budget_and_no_images_ask_nothing(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness, attack: str, version: str
) -> None:
    target = Recorder(classifier)
    none = {"queries": 0} if attack == "square" else {"steps": 0}
    for changes in (none, {"eps": "0"}):
        assert torch.equal(made(attack, version=version, **changes)(target, x, y, randomness), x)
    nobody = slice(0, 0)
    empty = made(attack, version=version)(target, x[nobody], y[nobody], randomness.select(nobody))
    assert empty.shape == (0, 3, 32, 32)
    assert not target.asked


@pytest.mark.parametrize("version", autoattack.VERSIONS)
@pytest.mark.parametrize("attack", ROWS)
def test_the_global_generator_decides_nothing_and_stays_as_it_is(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness, attack: str, version: str
) -> None:
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        results.append(made(attack, version=version)(Noisy(classifier), x, y, randomness))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*results)


@pytest.mark.parametrize("version", autoattack.VERSIONS)
def test_the_seed_is_the_one_of_the_randomness(
    classifier: nn.Module, x: Tensor, y: Tensor, version: str
) -> None:
    index = torch.arange(len(x))
    found = [
        made("apgd-ce", version=version)(
            Recorder(classifier), x, y, Randomness(seed, "attack", index)
        )
        for seed in (0, 1)
    ]
    assert not torch.equal(*found)


@pytest.mark.parametrize("version", autoattack.VERSIONS)
@pytest.mark.parametrize("attack", ROWS)
def test_every_look_at_a_random_target_is_a_draw_of_its_own(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness, attack: str, version: str
) -> None:
    target = Noisy(classifier)
    method = made(attack, version=version)
    method(target, x[:4], y[:4], randomness.select(slice(0, 4)))
    method(target, x[4:], y[4:], randomness.select(slice(4, 8)))  # another batch
    # But for those under which APGD compares its iterates: the same ones at every look.
    fresh = [asked for asked in target.asked if not asked.stream.endswith(":compared")]
    drawn = torch.cat([asked.uniform((2,), "noise") for asked in fresh])
    assert len(drawn.unique(dim=0)) == len(drawn) >= 16
    assert {asked.seed for asked in target.asked} == {randomness.seed}


def test_eot_is_draws_for_each_gradient_and_one_where_draws_do_not_differ(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness
) -> None:
    for attack in ("apgd-ce", "apgd-dlr"):
        for random, looks in ((True, 1 + 6 * 4), (False, 1 + 6)):
            target = Recorder(classifier)
            victim = BatchedTarget(target, rows=8, random=random)
            made(attack, eot=4)(victim, x, y, randomness)
            assert len(target.asked) == looks


@pytest.mark.parametrize("attack", ["apgd-t", "fab-t"])
def test_there_are_no_more_targets_than_wrong_classes(
    x: Tensor, randomness: Randomness, attack: str
) -> None:
    y = torch.full((8,), 4)
    looks = []
    for targets in (3, 4, 9):
        target = Recorder(lambda x: linear(5)(x, randomness))
        made(attack, targets=targets)(target, x, y, randomness)
        looks.append(len(target.asked))
    assert looks[0] < looks[1] == looks[2]


@pytest.mark.parametrize("eot", [1, 3])
def test_square_with_averaged_loss_is_not_fooled_by_lucky_draws(
    x: Tensor, randomness: Randomness, eot: int
) -> None:
    def target(x: Tensor, randomness: Randomness) -> Tensor:
        wrong = torch.as_tensor(randomness.draw).expand(len(x)) % 3 != 0
        return torch.stack((torch.where(wrong, 0.0, 2.0), torch.full((len(x),), 0.5)), dim=1)

    victim, y = BatchedTarget(target, rows=8), torch.zeros_like(randomness.index)
    found = made("square", eot=eot)(victim, x, y, randomness)
    assert torch.equal(found, x) == (eot == 3)
    if eot == 3:
        before, start, queries, after = 1, 1, 40, 1
        assert victim.image_count == 8 * 3 * (before + start + queries + after)


def test_square_can_rescale_its_schedule(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness
) -> None:
    first, second = (
        made("square", rescale=rescale)(Recorder(classifier), x, y, randomness)
        for rescale in (False, True)
    )
    assert not torch.equal(first, second)


@pytest.mark.parametrize("attack", ROWS)
def test_options_are_all_there_and_all_its_own(attack: str) -> None:
    names = {name for row in ROWS.values() for name in row}
    for name in names - ROWS[attack].keys():
        with pytest.raises(ValueError, match=f"{attack} does not take '{name}'"):
            made(attack, **{name: 1})
    for name in ROWS[attack]:
        some = {key: value for key, value in ROWS[attack].items() if key != name}
        with pytest.raises(ValueError, match=f"{attack} lacks '{name}'"):
            autoattack.build(attack=attack, version="judged", norm="Linf", eps="8/255", **some)


def test_names_that_are_not_known_are_refused() -> None:
    row: dict[str, Any] = {"version": "judged", "eps": "8/255", "steps": 1}
    with pytest.raises(ValueError, match="no attack 'apgd'; known are apgd-ce, apgd-dlr"):
        autoattack.build(attack="apgd", norm="Linf", **row)
    with pytest.raises(ValueError, match="norm L1 is not implemented"):
        autoattack.build(attack="fab-t", norm="L1", targets=9, **row)
    with pytest.raises(ValueError, match="no version 'rand'; known are judged, official"):
        autoattack.build(attack="fab-t", norm="Linf", targets=9, **{**row, "version": "rand"})
