"""Runs that were interrupted end bit-identical to runs that were not."""

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.parts import TINY_DMAE, random_transform
from torch import Tensor

from atop.core import resumable
from atop.core.errors import AtopError
from atop.core.resumable import Images, State
from atop.data.dataset import Dataset
from atop.experiment.settings.presets import ClassifierTraining, PurifierTraining
from atop.experiment.settings.recipes import Recipe
from atop.method.purifiers import deepfill, dmae
from atop.method.transforms import tokens
from atop.pipeline import assemble
from atop.pipeline.training.classifier import ClassifierTrainer
from atop.pipeline.training.loop import Metrics, train
from atop.pipeline.training.purifier import PurifierTrainer


class Line:
    """The smallest stage: a weight that follows the step's number; it may break at a step."""

    batch = 2

    def __init__(self, steps: int, *, at: int | None = None, act: Any = None) -> None:
        self.steps, self.at, self.act = steps, at, act
        self.weight = torch.zeros((), dtype=torch.float64)
        self.ran: list[int] = []

    def step(self, number: int) -> Metrics:
        if number == self.at:
            self.act()
        self.ran.append(number)
        self.weight = self.weight * 0.9 + number
        return {"loss": self.weight / 7, "place": torch.tensor(float(number))}

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.weight}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weight = state["weight"]


class CrashError(Exception):
    pass


def crash() -> None:
    raise CrashError


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def run(stage: Any, state: Path, *, identity: str = "a") -> Any:
    return train(stage, state=State(state, identity), title="test")


@pytest.mark.parametrize("at", [0, 123, 124, 248])
def test_weights_and_history_do_not_know_of_an_interruption(tmp_path: Path, at: int) -> None:
    whole = Line(251)
    history = run(whole, tmp_path / "whole.pt")
    with pytest.raises(SystemExit):
        run(Line(251, at=at, act=terminate), tmp_path / "state.pt")
    again = Line(251)
    assert run(again, tmp_path / "state.pt") == history
    assert again.ran == list(range(at + 1, 251))
    assert torch.equal(again.weight, whole.weight)


@pytest.fixture
def save_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", -1.0)


def test_a_crash_costs_the_steps_since_the_last_state(tmp_path: Path, save_always: None) -> None:
    with pytest.raises(CrashError):
        run(Line(6, at=3, act=crash), tmp_path / "state.pt")
    again = Line(6)
    run(again, tmp_path / "state.pt")
    assert again.ran == [3, 4, 5]


def test_history_holds_means_over_the_steps_since_the_row_before(tmp_path: Path) -> None:
    history = run(Line(251), tmp_path / "state.pt")
    assert [row["step"] for row in history] == [*range(2, 251, 2), 251]
    assert history[0]["place"] == pytest.approx(0.5)
    assert history[10]["place"] == pytest.approx(20.5)
    assert history[-1]["place"] == pytest.approx(250)


def test_a_state_is_saved_as_often_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state.pt"
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", 3600.0)
    run(Line(5), state)
    assert not state.exists()
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", -1.0)
    run(Line(5), state)
    assert torch.load(state)["done"] == 5


def test_a_state_of_other_settings_is_ignored_and_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state.pt"
    with pytest.raises(SystemExit):
        run(Line(9, at=4, act=terminate), state)
    again = Line(9)
    run(again, state, identity="b")
    assert again.ran == list(range(9))
    assert f"{state}: left by a run with other settings" in "".join(capsys.readouterr())


@pytest.mark.parametrize("content", [b"junk", b""])
def test_a_broken_state_is_named(tmp_path: Path, content: bytes) -> None:
    state = tmp_path / "state.pt"
    state.write_bytes(content)
    with pytest.raises(AtopError, match=r"state\.pt: not a complete checkpoint .* delete it"):
        run(Line(3), state)


def test_a_state_does_not_vouch_for_the_images_of_another_run(tmp_path: Path) -> None:
    def images(identity: str) -> Images:
        return Images(tmp_path / "state.pt", identity, shape=(2, 3, 1, 1))

    first = images("a")
    first.images[0] = 1.0
    first.save(done=1)
    assert images("a").done == 1
    assert images("a").images[0].eq(1.0).all()
    images("b")  # makes room for its own, and dies before it saves
    assert images("a").done == 0


def test_sigterm_ends_the_step_saves_and_exits_with_143(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    stage = Line(9, at=4, act=terminate)
    with pytest.raises(SystemExit) as stopped:
        run(stage, tmp_path / "state.pt")
    assert stopped.value.code == 143
    assert stage.ran == list(range(5))
    assert torch.load(tmp_path / "state.pt")["done"] == 5
    assert signal.getsignal(signal.SIGTERM) is before
    again, whole = Line(9), Line(9)
    assert run(again, tmp_path / "state.pt") == run(whole, tmp_path / "whole.pt")
    assert again.ran == list(range(5, 9))


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, value: float) -> None:
    class Diverging(Line):
        def step(self, number: int) -> Metrics:
            return {"loss": torch.tensor(value if number == 3 else 1.0)}

    with pytest.raises(AtopError, match="test: loss is not finite at step 4; lower lr or set clip"):
        run(Diverging(9), tmp_path / "state.pt")


RECIPE = Recipe(
    gan="full", ce_weight=1, ce_after_images=0, l1_target="clean", attack_target="classifier",
    classifier_range="unit", mask="per_example", spectral_norm="parametrized",
)  # fmt: skip
BUDGET = PurifierTraining(
    images=24, batch=4, lr=1e-3, betas=(0.5, 0.999), weight_decay=0.05, schedule="cosine", clip=1.0
)


def of_deepfill() -> dict[str, Any]:
    return {
        "purifier": deepfill.build(width=4),
        "loss": deepfill.build_loss(recipe=RECIPE.given(), discriminator_width=4),
        "transforms": [random_transform("rt1"), random_transform("rt2")],
        "budget": BUDGET,
    }


def of_dmae() -> dict[str, Any]:
    purifier = dmae.build(**TINY_DMAE)
    shown = tokens.build(grid=8, missing_rate=0.25, sigma=0.25, noise_pixels=32)
    loss = dmae.build_loss(recipe=RECIPE.given())
    transforms = [shown, random_transform("rt1")]
    budget = BUDGET.model_copy(update={"parts": 2})
    return {"purifier": purifier, "loss": loss, "transforms": transforms, "budget": budget}


@pytest.mark.parametrize("parts", [of_deepfill, of_dmae])
def test_a_purifier_stage_resumes_with_all_networks_and_all_moments(
    tmp_path: Path, cifar_slice: Dataset, parts: Callable[[], dict[str, Any]], save_always: None
) -> None:
    def stage(break_at: int | None = None) -> PurifierTrainer:
        torch.manual_seed(0 if break_at is None else 1)  # a resumed run must not rely on its start
        made = PurifierTrainer(
            **parts(),
            data=cifar_slice.train.take(slice(0, 12)),
            input_size=32,
            resize=lambda x: x,
            recipe=RECIPE,
            seed=0,
            stream="test",
        )
        if break_at is not None:
            step = made.step
            made.step = lambda number: step(number) if number < break_at else crash()  # type: ignore
        return made

    torch.manual_seed(0)
    first = stage()
    whole = stage()
    history = run(whole, tmp_path / "whole.pt")
    broken = stage(break_at=3)
    broken.load_state_dict(first.state_dict())  # the same start as `whole`
    with pytest.raises(CrashError):
        run(broken, tmp_path / "state.pt")
    again = stage(break_at=99)
    assert run(again, tmp_path / "state.pt") == history
    assert len(history) == 6
    assert leaves_equal(again.state_dict(), whole.state_dict())


def test_a_classifier_stage_resumes_with_its_momentum(cifar_slice: Dataset) -> None:
    budget = ClassifierTraining(
        epochs=1, batch=4, lr=0.05, momentum=0.9, weight_decay=5e-4, label_smoothing=0.1
    )

    def stage() -> ClassifierTrainer:
        network = assemble.classifier("cifar10_slice", "resnet_small")
        data = cifar_slice.train.take(slice(0, 16))
        return ClassifierTrainer(network, data, size=32, budget=budget, seed=0)

    first, again, file = stage(), stage(), io.BytesIO()
    first.step(0)
    torch.save(first.state_dict(), file)
    file.seek(0)
    again.load_state_dict(torch.load(file, weights_only=True))
    for number in (1, 2):
        assert torch.equal(first.step(number)["loss"], again.step(number)["loss"])
    assert leaves_equal(first.state_dict(), again.state_dict())


def leaves_equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(leaves_equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(leaves_equal, a, b))
    return torch.equal(a, b) if isinstance(a, Tensor) else bool(a == b)
