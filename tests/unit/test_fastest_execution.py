"""`auto`: which executions it may choose, and that it never chooses a slow one."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from atop.core.execution import Compute
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.settings.execution import Execution
from atop.pipeline.execution import timing
from atop.pipeline.execution.timing import fastest, measure, precisions
from atop.pipeline.execution.trial import IMAGES, Subject, Trial

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
FOUR = [
    Compute(precision=precision, channels_last=layout)
    for precision, layout in product(("float32", "bfloat16"), (False, True))
]
CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2",
)  # fmt: skip


def chosen(*times: float) -> str:
    """The name of the fastest of FOUR, in seconds."""
    return fastest(dict(zip(FOUR, times, strict=True))).name


def test_the_fastest_is_chosen_if_it_gains_five_percent() -> None:
    assert chosen(1.0, 1.0, 0.7, 0.8) == "bfloat16"
    assert chosen(1.0, 0.9, 1.5, 0.8) == "bfloat16, channels last"
    assert chosen(1.0, 0.95, 9.0, 9.0) == "float32, channels last"
    assert chosen(1.0, 0.96, 0.97, 0.98) == "float32"
    assert chosen(1.0, 8.0, 16.0, 12.0) == "float32"


class Clock:
    """Seconds of a candidate, call by call; notes the candidates that were timed."""

    def __init__(self, times: Mapping[str, list[float]]) -> None:
        self.times = {name: iter(each) for name, each in times.items()}
        self.timed: list[str] = []

    def __call__(self, candidate: Compute) -> float:
        self.timed.append(candidate.name)
        return next(self.times[candidate.name])


def test_the_best_of_three_rounds_counts_and_no_warming_up() -> None:
    clock = Clock({"float32": [0.1, 3.0, 1.0, 2.0], "bfloat16": [0.1, 2.0, 4.0, 0.9]})
    plain, half = Compute(), Compute(precision="bfloat16")
    assert measure([plain, half], clock) == {plain: 1.0, half: 0.9}
    two = ["float32", "bfloat16"]
    assert clock.timed == ["float32"] * 2 + ["bfloat16"] * 2 + two * 2  # in turn


def test_a_hopeless_candidate_is_timed_once() -> None:
    """Its second round would be fast, and nobody waits for it."""
    clock = Clock({"float32": [9.0, 1.0, 1.0, 1.0], "bfloat16": [1.0, 2.1, 0.1, 0.1]})
    plain, half = Compute(), Compute(precision="bfloat16")
    times = measure([plain, half], clock)
    assert times == {plain: 1.0, half: 2.1}
    assert clock.timed.count("bfloat16") == 2
    assert fastest(times) == plain


def test_a_slow_start_of_the_plainest_drops_nothing_and_favours_nothing() -> None:
    clock = Clock({"float32": [9.0, 5.0, 1.0, 1.0], "bfloat16": [9.0, 8.0, 1.1, 1.1]})
    assert fastest(measure([Compute(), Compute(precision="bfloat16")], clock)) == Compute()


@pytest.mark.parametrize("given", [{}, {"precisions": ["bfloat16"]}, {"precisions": ["tf32"]}])
def test_float32_is_always_a_candidate_and_the_first(given: Any) -> None:
    execution = Execution(precision="auto", **given)
    named = given.get("precisions", ["tf32", "bfloat16"])
    assert [each["precision"] for each in execution.allowed] == ["float32", *named]
    assert {each["channels_last"] for each in execution.allowed} == {False}


def test_each_setting_may_be_left_to_auto_alone() -> None:
    def names(**given: Any) -> list[str]:
        return [Compute(**each).name for each in Execution(**given).allowed]

    assert names(precision="tf32", channels_last="auto") == ["tf32", "tf32, channels last"]
    assert names(precision="auto", precisions=["bfloat16"], channels_last=True) == [
        "float32, channels last", "bfloat16, channels last",
    ]  # fmt: skip
    assert names(precision="bfloat16") == ["bfloat16"]
    assert Execution(precision="auto", recompute=True).allowed[1]["recompute"]


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((7, 5), {"float32"}),
        ((8, 0), {"float32", "tf32", "bfloat16"}),
        ((12, 0), {"float32", "tf32", "bfloat16"}),
    ],
)
def test_a_gpu_has_what_its_generation_has(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: set[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precisions(GPU) == expected
    assert precisions(CPU) == {"float32", "bfloat16"}


@pytest.mark.parametrize("kind", ["train", "attack"])
@pytest.mark.parametrize("cell", [CELL, CELL.bare], ids=["purifier", "classifier"])
def test_a_trial_runs_the_network_as_the_candidate_says(
    monkeypatch: pytest.MonkeyPatch, cell: Cell, kind: str
) -> None:
    monkeypatch.setattr(timing, "ENOUGH_S", 1e-9)
    monkeypatch.setattr("atop.pipeline.execution.trial.SLOW_S", 1e9)
    subject = Subject(preset=presets.get("smoke"), cell=cell, kind=kind)
    trial, seen = Trial(subject, FOUR, CPU), set[tuple[torch.dtype, bool, int, bool]]()

    def note(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        layout = module.weight.is_contiguous(memory_format=torch.channels_last)
        seen.add((output.dtype, layout, len(output), module.training))

    for network in trial.networks.values():
        wide = [each for each in network.modules() if isinstance(each, nn.Conv2d)][2]
        wide.register_forward_hook(note)
    for candidate in FOUR:
        seen.clear()
        assert trial.seconds(candidate) > 0
        dtype = torch.bfloat16 if candidate.precision == "bfloat16" else torch.float32
        assert seen == {(dtype, candidate.channels_last, IMAGES, kind == "train")}


def gradients(
    monkeypatch: pytest.MonkeyPatch, kind: str, pixels: int
) -> tuple[list[torch.Size], int]:
    """Shapes of that whose gradients a trial computes, and its images."""
    found: list[torch.Size] = []
    grad: Callable[..., Any] = torch.autograd.grad

    def noted(total: torch.Tensor, inputs: list[torch.Tensor], **more: Any) -> Any:
        found[:] = [each.shape for each in inputs]
        return grad(total, inputs, **more)

    monkeypatch.setattr(torch.autograd, "grad", noted)
    subject = Subject(preset=presets.get("smoke"), cell=CELL, kind=kind)
    assert subject.pixels == pixels
    return found, len(Trial(subject, FOUR[:1], CPU).x)


def test_training_needs_gradients_of_weights_and_an_attack_of_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes, _ = gradients(monkeypatch, "train", 48)
    assert len(shapes) > 20
    shapes, _ = gradients(monkeypatch, "attack", 48)
    assert shapes == [(IMAGES, 3, 48, 48)]


def test_a_slow_network_has_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atop.pipeline.execution.trial.SLOW_S", 0.0)
    assert gradients(monkeypatch, "attack", 48)[1] == 1
