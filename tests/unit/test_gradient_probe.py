"""The probe: healthy defences pass, and each broken one is told by the measure made for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.parts import random_transform
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.data.dataset import Split
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.stages.evaluation import Evaluate
from atop.method.defense import Defense, Sizes
from atop.method.purifiers.identity import Identity
from atop.method.surrogates import IdentityBackward
from atop.method.transform import Views
from atop.method.transforms.none import NoTransform
from atop.pipeline.datasets import fetch
from atop.pipeline.evaluation import evaluate
from atop.pipeline.evaluation.gradient_probe import finite_difference, probe
from atop.results import records
from atop.results.checks import findings

Probe = dict[str, float | bool]
Function = Callable[[Tensor], Tensor]
Change = Callable[[str, dict[str, Any]], None]
Measure = Callable[..., Probe]
SIZES = Sizes(input=32, purifier=32, classifier=32)
BARE = Cell(dataset="cifar10_slice", classifier="resnet_small")


def same(x: Tensor) -> Tensor:
    return x


class Purifier(nn.Module):
    """(corrupted, mask) -> what a function makes of the image."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        return self.function(corrupted)


class Classifier(nn.Module):
    """What a function makes of a classifier's logits."""

    def __init__(self, network: nn.Module, function: Function) -> None:
        super().__init__()
        self.network, self.function = network, function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.network(x))


class Bpda(nn.Module):
    """A defence that differentiates as BPDA does."""

    def __init__(self, defense: Defense) -> None:
        super().__init__()
        self.defense, self.target = defense, IdentityBackward(defense)

    def forward(self, x: Tensor, randomness: Randomness) -> Tensor:
        return self.target(x, randomness)


@pytest.fixture
def measure(classifier: nn.Module, images: Split) -> Measure:
    """The probe of the small classifier, changed in some way, on eight images."""

    def run(
        purifier: nn.Module | Function = same,
        *,
        outputs: Function = same,
        transform: str = "none",
        bpda: bool = False,
    ) -> Probe:
        made = Defense(
            transform=random_transform(transform),
            purifier=purifier if isinstance(purifier, nn.Module) else Purifier(purifier),
            classifier=Classifier(classifier, outputs),
            sizes=SIZES,
        )
        draw = Randomness(0, "probe", images.index)
        return probe(Bpda(made) if bpda else made, images.inputs(32), images.labels, draw)

    return run


def suspicions(found: Probe) -> list[str]:
    """Names of the findings of a record that holds nothing but a probe."""
    cell = {"id": "cell", "classifier": "f", "purifier": "deepfill", "transform": "rt2"}
    record = {"cell": cell, "victim": "cell", "labels": [], "evaluations": [], "probe": found}
    return [one["name"] for one in findings(record)]


@pytest.mark.parametrize("transform", ["none", "rt1", "rt2", "rt3"])
def test_healthy_defences_pass(measure: Measure, purifier: nn.Module, transform: str) -> None:
    found = measure(purifier, transform=transform)
    assert found.pop("finite_difference") < 1e-5
    assert found == {
        "examples": 8,
        "zero_gradient": 0.0,
        "nonfinite_gradient": 0.0,
        "probabilities": False,
        "random": transform != "none",
        "repeatable": True,
    }
    assert suspicions(found) == []


@pytest.mark.parametrize("transform", ["none", "rt1", "rt2", "rt3"])
def test_the_gradient_of_bpda_is_found_out(
    measure: Measure, purifier: nn.Module, transform: str
) -> None:
    found = measure(purifier, transform=transform, bpda=True)
    assert found["finite_difference"] > 0.1
    assert suspicions(found) == ["gradient-mismatch"]


def through(x: Tensor) -> Tensor:
    """Rounds, and says that it did not."""
    return x + (x.mul(15).round().div(15) - x).detach()


def half(x: Tensor) -> Tensor:
    """Differentiable in its left half alone."""
    return torch.cat((x[..., :16], x[..., 16:].detach()), dim=3)


@pytest.mark.parametrize("function", [through, half])
def test_gradients_that_are_not_the_slope(
    measure: Measure, function: Callable[[Tensor], Tensor]
) -> None:
    assert suspicions(measure(function)) == ["gradient-mismatch"]


def test_one_example_with_a_wrong_slope_is_enough(measure: Measure, images: Split) -> None:
    first, second = (one.mean() for one in images.inputs(32)[:2])
    between = (first + second) / 2
    for lost in (lambda mean: mean < between, lambda mean: mean > between):
        found = measure(lambda x, lost=lost: x.detach() if lost(x.mean()) else x)
        assert found["finite_difference"] == pytest.approx(1)


def test_rounding_leaves_no_gradient_and_agrees_with_its_differences(measure: Measure) -> None:
    found = measure(lambda x: x.mul(15).round().div(15))
    assert found["zero_gradient"] == 1
    assert found["finite_difference"] == 0
    assert suspicions(found) == ["zero-gradient"]


def test_a_single_draw_without_a_gradient_is_no_suspicion(
    classifier: nn.Module, images: Split
) -> None:
    class First(NoTransform):
        def __call__(self, x: Tensor, randomness: Randomness) -> Views:
            return super().__call__(x if randomness.draw else x.detach(), randomness)

    made = Defense(transform=First(), purifier=Identity(), classifier=classifier, sizes=SIZES)
    draw = Randomness(0, "probe", images.index)
    assert probe(made, images.inputs(32), images.labels, draw)["zero_gradient"] == 0


def test_a_graph_that_is_cut_has_no_gradient(measure: Measure) -> None:
    found = measure(outputs=lambda logits: logits.detach())
    assert found["zero_gradient"] == 1
    assert found["finite_difference"] == pytest.approx(1)


@pytest.mark.parametrize(("scale", "share"), [(1e4, 0.75), (10.0, 0.625), (1.0, 0), (1e-4, 0)])
def test_logits_that_saturate_leave_no_cross_entropy_gradient(
    measure: Measure, scale: float, share: float
) -> None:
    found = measure(outputs=lambda logits: scale * logits)
    assert found["zero_gradient"] == share  # of what is classified rightly, exactly zero or nearly
    assert found["finite_difference"] < 1e-5
    assert suspicions(found) == ["zero-gradient"] * (share > 0)


def test_gradients_that_are_not_finite(measure: Measure, images: Split) -> None:
    black = (images.inputs(32) == 0).flatten(1).any(dim=1)
    found = measure(lambda x: x.sqrt().square())  # infinity times zero at black
    assert 0 < found["nonfinite_gradient"] == black.float().mean() < 1
    assert suspicions(found) == ["nonfinite-gradient"]
    none = measure(outputs=lambda logits: logits / 0)
    assert none["nonfinite_gradient"] == 1
    assert none["finite_difference"] == 2


def test_probabilities_are_told_from_logits(measure: Measure) -> None:
    for function in (lambda z: z.softmax(1), lambda z: (40 * z).softmax(1)):
        assert "softmax-output" in suspicions(measure(outputs=function))
    for function in (lambda z: z.log_softmax(1), torch.sigmoid, lambda z: z / z.sum(1)):
        assert not measure(outputs=function)["probabilities"]


def test_randomness_that_no_draw_names(measure: Measure) -> None:
    found = measure(lambda x: x + 0.01 * torch.randn_like(x))
    assert found["random"]
    assert not found["repeatable"]
    assert suspicions(found) == ["hidden-randomness"]


def test_kinks_at_black_and_white_do_no_harm(measure: Measure) -> None:
    found = measure(lambda x: x.clamp(0, 1).relu())
    assert found["finite_difference"] < 1e-5


def test_a_slope_that_is_wrong_in_a_few_pixels_shows_in_random_directions(
    classifier: nn.Module, images: Split, randomness: Randomness
) -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor, randomness: Randomness) -> Tensor:
            strong, lost = x[..., :1].sum((1, 2, 3)), x[..., 1:].detach().sum((1, 2, 3))
            return torch.stack((10 * strong + lost, torch.zeros_like(lost)), dim=1)

    y = torch.zeros_like(images.labels)
    assert finite_difference(Sum(), images.inputs(32), y, randomness) > 0.1


def test_the_defence_stays_as_it_is(classifier: nn.Module, images: Split) -> None:
    made = Defense(
        transform=random_transform("rt2"),
        purifier=Identity(),
        classifier=classifier,
        sizes=SIZES,
    )
    before = {name: value.clone() for name, value in made.state_dict().items()}
    x, draw = images.inputs(32), Randomness(0, "probe", images.index)
    first = probe(made, x, images.labels, draw)
    assert probe(made, x, images.labels, draw) == first
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert next(made.parameters()).dtype == torch.float32
    assert x.grad is None


@pytest.mark.parametrize("target", ["classifier", "defense"])
def test_records_of_white_box_suites_hold_it(change: Change, workdir: Path, target: str) -> None:
    change("presets/smoke", {"evaluation": {"n": 12, "batch": 8}})
    suite = {"target": target, "attacks": ["clean-native"], "draws": 1}
    change("attacks", {"suites": {"quick": suite}})
    fetch("cifar10_slice")
    path = evaluate.evaluate(
        Evaluate(preset=presets.get("smoke"), cell=BARE, suite="quick", target=target),
        torch.device("cpu"),
    )
    record = records.read(path, cell=BARE)
    if target == "classifier":
        assert "probe" not in record
    else:
        assert record["probe"]["examples"] == 8
        assert record["probe"]["finite_difference"] < 1e-5
