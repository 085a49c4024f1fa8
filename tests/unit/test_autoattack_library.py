"""The library of AutoAttack: the set-up of its sub-attacks, its flags and its warnings."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.sub_attacks import BALLS, ROWS, Noisy, Recorder, linear, made
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.method.attack import Target
from atop.method.autoattack_library import captured_warnings, flags, perturb, sub_attack
from atop.method.robustbench_library import AutoAttack


@pytest.mark.parametrize("norm", BALLS)
@pytest.mark.parametrize(
    ("attack", "version", "part", "options"),
    [
        ("apgd-ce", "standard", "apgd", {"steps": 100, "eot": 1}),
        ("apgd-t", "standard", "apgd_targeted", {"steps": 100, "eot": 1, "targets": 9}),
        ("fab-t", "standard", "fab", {"steps": 100, "targets": 9}),
        ("square", "standard", "square", {"queries": 5000, "rescale": False}),
        ("apgd-ce", "rand", "apgd", {"steps": 100, "eot": 20}),
        ("apgd-dlr", "rand", "apgd", {"steps": 100, "eot": 20}),
    ],
)
def test_a_sub_attack_is_set_up_as_the_whole_would_set_it_up(
    classifier: nn.Module,
    norm: str,
    attack: str,
    version: str,
    part: str,
    options: dict[str, int],
) -> None:
    ball = {"norm": norm, "eps": BALLS[norm][1]}
    found = vars(sub_attack(attack, classifier, **ball, seed=0, options=options))
    whole = AutoAttack(classifier, **ball, seed=0, version=version)
    expected = vars(getattr(whole, part))
    expected |= {"device": None}  # that of the images
    # what the whole changes when it runs
    expected |= {"fab-t": {"targeted": True}, "apgd-dlr": {"loss": "dlr"}}.get(attack, {})
    for settings in (found, expected):
        settings.pop("logger", None)
    assert found == expected


def test_fab_keeps_nothing_that_lies_outside_the_ball(
    classifier: nn.Module, x: Tensor, y: Tensor
) -> None:
    def fab(eps: float) -> Tensor:
        ball = {"norm": "Linf", "eps": eps}
        method = sub_attack("fab-t", classifier, **ball, seed=0, options=ROWS["fab-t"])
        return (perturb(method, x, y) - x).abs().flatten(1).amax(1)

    near, far = fab(1 / 255), fab(8 / 255)
    assert ((far > 1 / 255) & (near == 0)).any()
    assert near.max() <= 1 / 255


def dynamic(x: Tensor, randomness: Randomness) -> Tensor:
    """Moves its input along a gradient before it classifies."""
    with torch.enable_grad():
        moved = x.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(moved.square().sum(), moved)
    return linear(10)(x + 0.01 * gradient, randomness)


def probabilities(x: Tensor, randomness: Randomness) -> Tensor:
    return linear(10)(x, randomness).softmax(1)


def dead(x: Tensor, randomness: Randomness) -> Tensor:
    return linear(10)(x.round(), randomness)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (dynamic, ["dynamic defense"]),
        (linear(10), []),  # after the one before, which the library does not forget
        (probabilities, ["probability distribution"]),
        (dead, ["8 points with zero gradient"]),
        (linear(2), ["only 2 classes"]),
        (linear(3), ["only 3 classes"]),
        (linear(5), []),  # fewer wrong classes than targets, which is no harm
    ],
)
def test_flags_name_what_is_suspicious(
    x: Tensor, randomness: Randomness, target: Target, words: list[str]
) -> None:
    found = flags(target, x, torch.zeros_like(randomness.index), randomness)
    assert len(found) == len(words)
    assert all(word in message for word, message in zip(words, found, strict=True))


def test_flags_tell_a_random_target_from_an_ordinary_one(
    classifier: nn.Module, x: Tensor, y: Tensor, randomness: Randomness
) -> None:
    assert flags(Recorder(classifier), x, y, randomness) == []
    (message,) = flags(Noisy(classifier), x, y, randomness)
    assert "randomized defense" in message


def test_flags_give_the_tracer_back_even_after_an_error(
    x: Tensor, y: Tensor, randomness: Randomness
) -> None:
    def breaks_when_traced(rows: Tensor, randomness: Randomness) -> Tensor:
        if sys.gettrace() is not ours:
            raise RuntimeError("traced")
        return linear(10)(rows, randomness)

    def ours(*_: Any) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(ours)
    try:
        flags(linear(10), x, y, randomness)
        after = sys.gettrace()
        sys.settrace(ours)
        with pytest.raises(RuntimeError, match="traced"):
            flags(breaks_when_traced, x, y, randomness)
        last = sys.gettrace()
    finally:
        sys.settrace(before)
    assert after is ours
    assert last is ours


@pytest.mark.parametrize("attack", ["apgd-dlr", "apgd-t"])
def test_warnings_during_an_attack_are_heard_and_not_printed(
    x: Tensor,
    randomness: Randomness,
    attack: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    y = torch.full((8,), 9)
    with captured_warnings() as heard:
        made(attack)(dead, x, y, randomness)
    assert heard
    assert all("zero gradient" in message for message in heard)
    count = len(heard)
    made(attack)(dead, x, y, randomness)
    assert len(heard) == count
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not list(tmp_path.iterdir())
