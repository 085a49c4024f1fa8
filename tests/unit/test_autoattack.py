"""AutoAttack: robustbench through the adapter, and the sub-attacks one by one."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.data.dataset import Split
from atop.method.attack import Target
from atop.method.attacks import autoattack
from atop.method.autoattack_library import flags, listening, perturb, sub_attack
from atop.method.eot import Victim
from atop.method.robustbench_library import AutoAttack, robustbench

ROWS: dict[str, dict[str, Any]] = {
    "apgd-ce": {"steps": 5, "eot": 1},
    "apgd-dlr": {"steps": 5, "eot": 1},
    "apgd-t": {"steps": 5, "eot": 1, "targets": 3},
    "fab-t": {"steps": 5, "targets": 3},
    "square": {"queries": 40, "rescale": False, "eot": 1},
}
BALLS = {"Linf": ("8/255", 8 / 255), "L2": ("0.5", 0.5)}


def made(
    attack: str, *, norm: str = "Linf", version: str = "official", **changes: Any
) -> autoattack.SubAttack:
    row = {"norm": norm, "eps": BALLS[norm][0], **ROWS[attack], **changes}
    return autoattack.build(attack=attack, version=version, **row)


class Recorder:
    """A target without randomness, which keeps what it was asked for."""

    def __init__(self, network: Callable[[Tensor], Tensor]) -> None:
        self.network = network
        self.asked: list[Randomness] = []

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        self.asked.append(randomness)
        return self.network(x)


class Noisy(Recorder):
    """A target with randomness."""

    def __call__(self, x: Tensor, randomness: Randomness) -> Tensor:
        noise = randomness.normal((3, 32, 32), "noise").to(x)
        return super().__call__(x + 0.1 * noise, randomness)


def linear(classes: int, scale: float = 1.0) -> Target:
    """Logits that no small step changes much."""
    weights = Randomness(0, "linear", torch.arange(classes)).normal((3 * 32 * 32,), "weights")

    def target(x: Tensor, randomness: Randomness) -> Tensor:
        return scale * torch.arange(classes) + 1e-4 * (x.flatten(1) @ weights.T)

    return target


@pytest.fixture
def x(pictures: Split) -> Tensor:
    return pictures.inputs(32)


@pytest.fixture
def y(x: Tensor, classifier: nn.Module) -> Tensor:
    """What the classifier says, but for one picture that it never gets right."""
    labels = classifier(x).argmax(1)
    labels[3] = (labels[3] + 1) % 10
    return labels


def test_robustbench_imports_and_measures_a_network(classifier: nn.Module) -> None:
    bench = robustbench()
    x, y = torch.rand(8, 3, 32, 32), torch.arange(8)
    y[:4] = classifier(x).argmax(1)[:4]
    expected = (classifier(x).argmax(1) == y).float().mean().item()
    assert bench.utils.clean_accuracy(classifier, x, y) == pytest.approx(expected)
    assert bench.eval.AutoAttack is AutoAttack


def test_the_old_signature_attacks(classifier: nn.Module) -> None:
    x = torch.rand(4, 3, 32, 32)
    y = classifier(x).argmax(1).detach()
    attack = AutoAttack(
        classifier, norm="Linf", eps=0.3, version="custom", attacks_to_run=["apgd-ce"], seed=0
    )
    attack.apgd.n_iter, attack.apgd.n_restarts = 10, 1
    x_adv = attack.run_standard_evaluation(x, y, bs=2)
    assert (x_adv - x).abs().max() <= 0.3 + 1e-6
    assert (classifier(x_adv).argmax(1) != y).any()


def test_a_log_path_is_refused_rather_than_ignored(classifier: nn.Module) -> None:
    with pytest.raises(ValueError, match="log_path"):
        AutoAttack(classifier, log_path="log.txt")


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
    expected |= {"device": None}  # that of the pictures
    # what the whole changes when it runs
    expected |= {"fab-t": {"targeted": True}, "apgd-dlr": {"loss": "dlr"}}.get(attack, {})
    for settings in (found, expected):
        settings.pop("logger", None)
    assert found == expected


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
    x = x.to(dtype) + 1e-9  # in float64 no picture that float32 knows
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


@pytest.mark.parametrize("version", autoattack.VERSIONS)
@pytest.mark.parametrize("attack", ROWS)
def test_no_budget_and_no_pictures_ask_nothing(
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
            victim = Victim(target, rows=8, random=random)
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

    victim, y = Victim(target, rows=8), torch.zeros_like(randomness.index)
    found = made("square", eot=eot)(victim, x, y, randomness)
    assert torch.equal(found, x) == (eot == 3)
    if eot == 3:
        before, start, queries, after = 1, 1, 40, 1
        assert victim.pictures == 8 * 3 * (before + start + queries + after)


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
    with listening() as heard:
        made(attack)(dead, x, y, randomness)
    assert heard
    assert all("zero gradient" in message for message in heard)
    count = len(heard)
    made(attack)(dead, x, y, randomness)
    assert len(heard) == count
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not list(tmp_path.iterdir())
