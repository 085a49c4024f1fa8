"""Defences built to deceive one kind of attack, attacked for real: the checks tell which."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.parts import random_transform
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.data.dataset import Dataset, Split
from atop.experiment.settings.attacks import AttackSpec, Suite, parse_entry
from atop.method.defense import Defense, Sizes
from atop.method.eot import BatchedTarget
from atop.method.purifiers.identity import Identity
from atop.method.registry import build
from atop.method.surrogates import SURROGATES
from atop.method.transform import SingleView, Views
from atop.pipeline.evaluation.evaluate import Evaluation, _distance
from atop.pipeline.evaluation.gradient_probe import EXAMPLES, probe
from atop.results.checks import findings

N = 32
Row = dict[str, Any]
Make = Callable[..., Defense]

CLEAN: Row = {"method": "clean"}
FGSM: Row = {"method": "fgsm", "norm": "Linf", "eps": "8/255", "eot": 1}
PGD: Row = {**FGSM, "method": "pgd", "step_size": "3/255", "steps": 5, "random_start": True}
SQUARE: Row = {
    "method": "autoattack", "attack": "square", "version": "judged", "norm": "Linf", "eps": "8/255",
    "queries": 100, "rescale": False, "eot": 1, "after": "pgd",
}  # fmt: skip
STRICT: dict[str, Row] = {
    "clean": CLEAN,
    "noise": {"method": "noise", "norm": "Linf", "eps": "8/255"},
    "fgsm": FGSM,
    "pgd": PGD,
    "square": SQUARE,
    "bpda": {**PGD, "through": "bpda"},
    "pgd@classifier": PGD,
}
RADII = {f"eps-{k}": {**PGD, "eps": f"{k}/255", "step_size": str(k / 255 / 3)} for k in (32, 128)}
FIXED: Row = {**PGD, "through": "fixed"}


def some(*names: str) -> dict[str, Row]:
    """Some of the attacks above."""
    return {name: STRICT[name] for name in names}


class OnImages(nn.Module):
    """A purifier that does something to an image."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        return self.function(corrupted)


class Scaled(nn.Module):
    """A classifier so sure of itself that its cross-entropy underflows."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return 1e4 * self.network(x)


class Leaking(nn.Module):
    """Answers rightly whoever moves an image along its gradient.

    Class k watches for a pattern that images do not have. Its logit falls with a little of it, so
    that whoever attacks the class adds it, and rises with more.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        signs = Randomness(0, "patterns", torch.arange(10)).uniform((3, 16, 16), "signs") - 0.5
        fine = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
        self.register_buffer("patterns", torch.kron(signs.sign(), fine))

    def forward(self, x: Tensor) -> Tensor:
        found = torch.einsum("bchw,kchw->bk", x, self.get_buffer("patterns")) / x[0].numel()
        return self.network(x) + 1000 * found * (found.abs() / 0.005 - 1)


class Bright(nn.Module):
    """Tells dark images from bright ones."""

    def forward(self, x: Tensor) -> Tensor:
        excess = x.mean(dim=(1, 2, 3)) - 0.5
        return 40 * torch.stack((-excess, excess), dim=1)


class Drawn(SingleView):
    """A transform that does something to an image with uniform numbers of its shape."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = function

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        drawn = randomness.uniform(tuple(x.shape[1:]), "drawn").to(x.dtype)
        return Views(self.function(x, drawn)[:, None], torch.zeros_like(x[:, None, :1]))


def shattered(x: Tensor, phase: Tensor) -> Tensor:
    """Moves no pixel by more than 0.005, and turns the slope by ten times itself."""
    return x + 0.005 * torch.sin(2000 * x + 2 * torch.pi * phase)


def secret(x: Tensor, drawn: Tensor) -> Tensor:
    """Shifts brightness by how much of a secret pattern there is."""
    pattern = (drawn - 0.5).sign()
    return x + 16 * (x * pattern).mean(dim=(1, 2, 3), keepdim=True)


def on_the_grid(x: Tensor) -> Tensor:
    """Moves no pixel by more than half a byte; its slope is 3 at bytes and -1 between them."""
    byte = 2 * torch.pi * 255
    return (x + 2 * torch.sin(byte * x) / byte).clamp(0, 1)


@pytest.fixture
def split(cifar_slice: Dataset) -> Split:
    return cifar_slice.test.take(slice(0, N))


@pytest.fixture
def defended(classifier: nn.Module) -> Make:
    def make(
        transform: Any = None, purifier: nn.Module | None = None, network: nn.Module = classifier
    ) -> Defense:
        return Defense(
            transform=transform or random_transform("none"),
            purifier=purifier or Identity(),
            classifier=network,
            sizes=Sizes(input=32, purifier=32, classifier=32),
        ).eval()

    return make


def attacked(defense: Defense, split: Split, rows: dict[str, Row], *, draws: int = 1) -> Row:
    """What a record would hold on a defence under attacks, made as adversarial.py makes them."""
    x, y = split.inputs(32), split.labels
    judge = Evaluation(defense, split, seed=0, batch=N, device=torch.device("cpu"))
    bare = Defense(
        transform=random_transform("none"),
        purifier=Identity(),
        classifier=getattr(defense.classifier, "network", defense.classifier),
        sizes=defense.sizes,
    )
    sets, evaluations = {}, []
    for entry, row in rows.items():
        _, name, kind = parse_entry(entry, "defense")
        spec = AttackSpec(**row)
        target = BatchedTarget(
            SURROGATES[spec.through](bare if kind == "classifier" else defense),
            rows=N,
            random=defense.random and spec.through != "fixed",
        )
        draw = Randomness(0, f"attack:{name}", split.index)
        method = build("attacks", spec.method, **spec.options)
        images = sets.get(spec.after, x).clone()
        left = standing(judge, images) > 0 if spec.after else y >= 0
        if left.any():
            images[left] = method(target, x[left], y[left], draw.select(left)).detach()
        if spec.after:
            images = worse(judge, images, sets[spec.after])
        sets[entry] = images
        outcomes = judge.outcomes(
            images, spec, Suite(target="defense", attacks=(entry,), draws=draws)
        )
        evaluations.append(
            {"attack": entry, "budget": row, **outcomes, "distance": _distance(images, x, batch=64)}
        )
    few = split.take(slice(0, EXAMPLES))
    return {
        "cell": {"id": "cell", "classifier": "any", "purifier": "any", "transform": "any"},
        "target": "defense",
        "victim": "cell",
        "labels": y.tolist(),
        "evaluations": evaluations,
        "probe": probe(defense, few.inputs(32), few.labels, Randomness(0, "probe", few.index)),
    }


def standing(judge: Evaluation, images: Tensor) -> Tensor:
    """(N,) share of draws in which each example is classified rightly."""
    predicted = torch.tensor(judge.selection(images, 4)["predictions"])
    return (predicted == judge.split.labels).float().mean(0)


def worse(judge: Evaluation, found: Tensor, start: Tensor) -> Tensor:
    """Of two candidates for each example, the new one where it does more harm."""
    lower = standing(judge, found) < standing(judge, start)
    return torch.where(lower[:, None, None, None], found, start)


def names(record: Row) -> list[str]:
    return sorted(one["name"] for one in findings(record))


def test_a_classifier_without_a_defence_deceives_nobody(defended: Make, split: Split) -> None:
    record = attacked(defended(), split, {**STRICT, **RADII, "pgd-8": {**PGD, "steps": 8}})
    assert names(record) == []


def test_rt2_with_a_purifier_deceives_nobody(
    defended: Make, purifier: nn.Module, split: Split
) -> None:
    rows = {**STRICT, "fixed": FIXED, "square": {**SQUARE, "queries": 10, "eot": 2}}
    short = {name: {**row, "steps": 3} if "steps" in row else row for name, row in rows.items()}
    for name in ("fgsm", "pgd", "bpda"):
        short[name] = {**short[name], "eot": 2}
    record = attacked(
        defended(random_transform("rt2"), purifier), split.take(slice(0, 20)), short, draws=2
    )
    assert record["probe"]["random"]
    assert names(record) == ["found-nothing"]  # ten queries of Square after PGD: no suspicion


@pytest.mark.slow
def test_saturated_logits(defended: Make, classifier: nn.Module, split: Split) -> None:
    rows = some("clean", "noise", "fgsm", "pgd", "pgd@classifier")
    rows |= {"square": {**SQUARE, "after": "clean"}}
    assert names(attacked(defended(network=Scaled(classifier)), split, rows)) == [
        "black-box-beats-white-box",
        "noise-as-harmful-as-attack",
        "transfer-beats-white-box",
        "zero-gradient",  # the images that FGSM left alone, and the probe
        "zero-gradient",
    ]


def test_rounded_images(defended: Make, split: Split) -> None:
    rounded = defended(purifier=OnImages(lambda x: x.mul(15).round().div(15)))
    rows = some("clean", "fgsm", "pgd", "bpda", "pgd@classifier")
    assert names(attacked(rounded, split, {**rows, **RADII})) == [
        "bpda-beats-exact-gradients",
        "eps-sweep-does-not-reach-zero",
        "transfer-beats-white-box",
        "zero-gradient",
        "zero-gradient",
    ]


def test_a_slope_that_is_exact_and_misleads(defended: Make, split: Split) -> None:
    jagged = defended(purifier=OnImages(lambda x: x + 0.02 * torch.sin(2000 * x)))
    record = attacked(jagged, split, some("pgd", "bpda", "pgd@classifier"))
    assert names(record) == ["bpda-beats-exact-gradients", "transfer-beats-white-box"]
    assert record["probe"]["finite_difference"] < 1e-3


def test_a_slope_that_is_right_at_the_images_alone(defended: Make, split: Split) -> None:
    start = {**PGD, "step_size": "3/510", "random_start": False}
    rows = {"fgsm": FGSM, "pgd-1": {**start, "steps": 1}, "pgd-2": {**start, "steps": 2}}
    record = attacked(defended(purifier=OnImages(on_the_grid)), split, rows)
    assert names(record) == [
        "more-steps-do-not-help",
        "single-step-beats-iterative",
        "single-step-beats-iterative",
    ]


def test_a_perturbation_that_tells_the_label(
    defended: Make, classifier: nn.Module, split: Split
) -> None:
    leaking = defended(network=Leaking(classifier))
    record = attacked(leaking, split, {"clean": CLEAN, "fgsm": FGSM, "pgd": PGD})
    assert [one["text"][:12] for one in findings(record)] == ["fgsm (100.0%"]
    assert names(record) == ["label-leaking"]


def test_draws_that_one_at_a_time_tell_little(defended: Make, split: Split) -> None:
    rows = {f"eot-{eot}": {**PGD, "steps": 4, "eot": eot} for eot in (1, 4)}
    record = attacked(defended(Drawn(shattered)), split, {"clean": CLEAN, **rows}, draws=4)
    assert names(record) == ["eot-not-converged"]


def test_steps_that_are_too_few(defended: Make, split: Split) -> None:
    short = {**PGD, "step_size": "1/255", "random_start": False}
    rows = {f"pgd-{steps}": {**short, "steps": steps} for steps in (1, 2, 4)}
    assert names(attacked(defended(), split, rows)) == ["steps-not-converged"]


def test_robustness_that_lies_in_not_knowing_the_draw(defended: Make, split: Split) -> None:
    labels = torch.arange(N) % 2
    grain = Randomness(0, "grain", split.index).uniform((32, 32, 3), "grain") - 0.5
    images = 64 + 127 * labels[:, None, None, None] + 40 * grain
    two = Split(images.to(torch.uint8), labels, split.index)
    rows = {"clean": CLEAN, "pgd": {**PGD, "eot": 4}, "fixed": FIXED}
    record = attacked(defended(Drawn(secret), network=Bright()), two, rows, draws=4)
    assert names(record) == ["stochasticity-carries-robustness"]
    assert "fixed (3.1%) knows the draw, pgd (9" in findings(record)[0]["text"]
