"""Training curves: on images that no training sees, and without a trace in what is trained."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from atop.core import resumable
from atop.core.files import read_json, sha256
from atop.core.resumable import State
from atop.data.dataset import Dataset, Split
from atop.experiment import config, paths, presets
from atop.experiment.cells import Cell
from atop.experiment.stages.finetuning import finetuning
from atop.method.attacks.fgsm import FGSM
from atop.pipeline import assemble
from atop.pipeline.datasets import fetch
from atop.pipeline.run import run
from atop.pipeline.training.curves import Curve, curve_of
from atop.pipeline.training.loop import train

RT2 = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture
def curve(purifier: nn.Module, classifier: nn.Module, cifar_slice: Dataset) -> Curve:
    defense = assemble.join(presets.get("smoke"), RT2, purifier, classifier)
    identity = assemble.purifier(presets.get("smoke"), "identity")
    bare = assemble.join(presets.get("smoke"), RT2.bare, identity, classifier)
    fgsm = {"fgsm": FGSM(norm="Linf", eps=8 / 255, eot=1)}
    images = cifar_slice.test.take(slice(0, 44))
    return curve_of(defense, bare, images, fgsm, seed=0, batch=20, points=2)


def test_a_curve_is_the_accuracy_of_the_defence_as_it_is(curve: Curve) -> None:
    found = curve()
    defense, draw = curve.defense.eval(), curve.randomness
    for name, x in curve.sets.items():
        right = (defense(x, draw).argmax(1) == curve.labels).float().mean()
        assert found[name] == pytest.approx(100 * float(right))
    assert list(found) == ["clean", "fgsm"]
    assert draw.seed == 0
    assert (curve.sets["fgsm"] - curve.sets["clean"]).abs().max() == pytest.approx(8 / 255)
    assert curve() == found
    with torch.no_grad():
        for weight in curve.defense.purifier.parameters():
            weight.zero_()
    assert curve() != found


def test_measuring_leaves_the_purifier_in_training(curve: Curve) -> None:
    curve.defense.purifier.train()
    curve()
    assert curve.defense.purifier.training
    assert not curve.defense.classifier.training


def split(index: list[int]) -> Split:
    images = torch.arange(len(index), dtype=torch.uint8)[:, None, None, None].expand(-1, 2, 2, 3)
    return Split(images.contiguous(), torch.arange(len(index)), torch.tensor(index))


def test_the_same_images_are_held_out_of_a_dataset_and_of_its_slices() -> None:
    order = np.random.RandomState(0).permutation(60).tolist()
    rest, out = split(list(range(60))).split_validation(count=6, size=60)
    assert set(out.index.tolist()) == set(order[-6:])
    assert rest.index.tolist() == [k for k in range(60) if k not in order[-6:]]
    assert len(rest) == 54
    part = [order[-1], order[1], order[-4], order[0]]
    rest, out = split(part).split_validation(count=6, size=60)
    assert out.index.tolist() == [order[-1], order[-4]]
    assert rest.index.tolist() == [order[1], order[0]]


def test_no_more_than_a_tenth_is_held_out() -> None:
    rest, out = split(list(range(60))).split_validation(count=50, size=60)
    assert out.index.tolist() == sorted(np.random.RandomState(0).permutation(60)[-6:])
    assert len(rest) == 54


def test_images_that_stay_are_those_and_are_not_copied() -> None:
    order = np.random.RandomState(0).permutation(50).tolist()
    whole = split([order[one] for one in (3, -2, 7, -4, 1, 2)])
    rest, out = whole.split_validation(count=5, size=50)
    assert len(out) == 2
    assert rest.images.data_ptr() == whole.images.data_ptr()
    for few in (rest.take(slice(0, 2)), rest.take(torch.tensor([1, 0]))):
        assert few.images[:, 0, 0, 0].tolist() == few.labels.tolist()  # each image its label
    assert (rest.inputs(2)[:, 0, 0, 0] * 255).round().tolist() == rest.labels.tolist()
    assert rest.to(CPU).take(slice(0, 1)).labels[0] == rest.labels[0]
    again, _ = rest.split_validation(count=5, size=80)
    assert (again.inputs(2)[:, 0, 0, 0] * 255).round().tolist() == again.labels.tolist()


def test_the_repositorys_slice_holds_out_images_of_cifar10() -> None:
    row = config.dataset("cifar10_slice")
    assert (row.train_size, row.validation) == (50000, 512)


@pytest.fixture
def small(change: Any, workdir: Path) -> Any:
    stages = {"l_org": {"images": 8, "batch": 4}, "atop": {"images": 24, "batch": 4}}
    change("presets/smoke", {"stages": stages})
    change("presets/smoke", {"curves": {"images": 10, "points": 3}})
    fetch("cifar10_slice")
    return change


@pytest.mark.slow
def test_a_fine_tuning_writes_its_curve_and_is_not_changed_by_it(small: Any) -> None:
    data = assemble.dataset("cifar10_slice")
    assert (len(data.train), len(data.validation)) == (2000, 128)
    run(finetuning(presets.get("smoke"), RT2.base), CPU)
    made = run(finetuning(presets.get("smoke"), RT2), CPU)
    about = read_json(made.with_suffix(".json"))
    curve = about["curve"]
    rows = curve["points"]
    assert [row["step"] for row in rows] == [0, 2, 4, 6]
    assert all(set(row) == {"step", "clean", "fgsm", "pgd-20"} for row in rows)
    assert all(row["clean"] % 10 == 0 for row in rows)
    assert [set(row) for row in about["history"]] == [{"step", "l1", "ce"}] * 6
    assert (curve["n"], curve["indices"]) == (10, data.validation.index[:10].tolist())
    assert not set(curve["indices"]) & set(data.train.index.tolist())
    before = sha256(made)
    small("presets/smoke", {"curves": ...})
    assert sha256(run(finetuning(presets.get("smoke"), RT2), CPU)) == before
    assert "curve" not in read_json(made.with_suffix(".json"))


def test_a_tuned_classifier_has_a_curve_too(small: Any) -> None:
    small("presets/smoke", {"stages": {"tune": {"epochs": ..., "images": 64, "batch": 16}}})
    cell = replace(RT2, purifier="identity", init="none", finetune="classifier")
    made = run(finetuning(presets.get("smoke"), cell), CPU)
    rows = read_json(made.with_suffix(".json"))["curve"]["points"]
    assert [row["step"] for row in rows] == [0, 1, 2, 4]
    assert len({row["clean"] for row in rows}) > 1  # of the classifier in training
    before = sha256(made)
    small("presets/smoke", {"curves": ...})
    assert sha256(run(finetuning(presets.get("smoke"), cell), CPU)) == before


def test_what_knows_no_classifier_has_no_curve(small: Any) -> None:
    run(finetuning(presets.get("smoke"), RT2.base), CPU)
    about = read_json(paths.purifier(presets.get("smoke"), RT2.base).with_suffix(".json"))
    assert "curve" not in about
    run(finetuning(presets.get("smoke"), replace(RT2, finetune="continued")), CPU)


class Counting:
    """A stage that counts its steps."""

    batch, steps = 1, 10

    def __init__(self) -> None:
        self.done = 0

    def step(self, number: int) -> dict[str, torch.Tensor]:
        self.done += 1
        if self.done == 6 and number == 5 and getattr(self, "fragile", False):
            raise KeyboardInterrupt
        return {"loss": torch.tensor(float(number))}

    def state_dict(self) -> dict[str, Any]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.done = state["done"]


def test_a_resumed_run_has_the_curve_of_one_that_was_not_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", -1.0)

    def run(stage: Counting, name: str) -> list[dict[str, float]]:
        return train(
            stage,
            state=State(tmp_path / name, "x"),
            title=name,
            watch=lambda: {"done": float(stage.done)},
            points=4,
        )

    whole = run(Counting(), "whole")
    fragile = Counting()
    fragile.fragile = True  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        run(fragile, "killed")
    assert run(Counting(), "killed") == whole
    seen = [(row["step"], row["seen"]["done"]) for row in whole if "seen" in row]
    assert seen == [(0, 0), (2, 2), (5, 5), (7, 7), (10, 10)]
