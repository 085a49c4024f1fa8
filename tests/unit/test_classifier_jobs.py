"""Classifiers are trained where nobody gives weights: with whose budget, and how good they are."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from support.synthetic_data import cut
from torch import Tensor

from atop.__main__ import main
from atop.core import resumable
from atop.core.errors import AtopError
from atop.core.files import ROOT, read_json
from atop.core.randomness import Randomness
from atop.experiment import config, paths, presets, validate
from atop.experiment.cells import Cell
from atop.experiment.stages.training import TrainClassifier
from atop.pipeline import assemble
from atop.pipeline.datasets import fetch
from atop.pipeline.training import jobs
from atop.pipeline.training.classifier import ClassifierTrainer

Change = Callable[[str, dict[str, Any]], None]
CPU = torch.device("cpu")
SMALL = {"epochs": 1, "images": ..., "batch": 16, "overrides": {}}


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    """The smoke preset with four steps for a classifier, and networks that it has to train."""
    rates = {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.0, "label_smoothing": 0.0}
    robust = {"images": 64, "batch": 16, **rates, "attack": "fgsm"}
    change("presets/smoke", {"stages": {"classifier": SMALL, "robust": robust}})
    row = {"about": "a test", "family": "resnet_small"}
    change("classifiers", {"mine": row, "hard": {**row, "training": "adversarial", "pixels": 40}})
    cut(fetch("cifar10_slice"), 64)
    return change


def test_a_classifier_says_how_accurate_it_is(
    small: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--dataset", "cifar10_slice", "--preset", "smoke"]
    assert main(["classifier", "--classifier", "mine", *options]) == 0
    path = paths.trained(presets.get("smoke"), "cifar10_slice", "mine")
    assert paths.classifier(presets.get("smoke"), "cifar10_slice", "mine") == [path]
    test = assemble.dataset("cifar10_slice").test
    network = assemble.trained_classifier(presets.get("smoke"), "cifar10_slice", "mine").eval()
    with torch.no_grad():
        right = (network(test.inputs(32)).argmax(1) == test.labels).float().mean().item() * 100
    account = read_json(path.with_suffix(".json"))
    found = account["test"]
    about = read_json(paths.dataset("cifar10_slice"))
    # Part of the identity: other images do not go on where these left off.
    assert account["settings"]["data_sha256"] == about["train"]["sha256"]
    assert account["provenance"]["identity"] == config.digest(account["settings"])
    assert found["n"] == 64
    assert found["value"] == pytest.approx(right)
    assert found["low"] < right < found["high"]
    said = f"{found['value']:.1f}% [{found['low']:.1f}, {found['high']:.1f}] of 64 test images"
    assert said in capsys.readouterr().out


def test_an_adversarial_one_learns_from_its_own_examples_at_its_own_size(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[tuple[int, ...], float]] = []
    attack = assemble.attack(presets.get("smoke"), "fgsm")

    def spy(target: Any, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        x_adv = attack(target, x, y, randomness)
        seen.append((tuple(x.shape), (x_adv - x).abs().max().item()))
        return x_adv

    monkeypatch.setattr(assemble, "attack", lambda preset, name: spy if name == "fgsm" else None)
    jobs.classifier(
        TrainClassifier(
            preset=presets.get("smoke"), cell=Cell(dataset="cifar10_slice", classifier="hard")
        ),
        CPU,
    )
    assert [shape for shape, _ in seen] == [(16, 3, 40, 40)] * 4
    assert all(moved == pytest.approx(8 / 255, abs=1e-4) for _, moved in seen)
    seen.clear()
    jobs.classifier(
        TrainClassifier(
            preset=presets.get("smoke"), cell=Cell(dataset="cifar10_slice", classifier="mine")
        ),
        CPU,
    )
    assert not seen


def test_a_budget_may_differ_by_dataset_and_by_classifier(small: Change) -> None:
    overrides = {"cifar10_slice": {"lr": 0.5, "epochs": 7}, "mine": {"epochs": 9}}
    small("presets/smoke", {"stages": {"classifier": {"overrides": overrides}}})
    found = presets.get("smoke").classifier_training("cifar10_slice", "mine")
    assert (found.lr, found.epochs, found.batch) == (0.5, 9, 16)
    assert presets.get("smoke").classifier_training("cifar10", "mine").epochs == 9
    assert presets.get("smoke").classifier_training("cifar10_slice", "resnet_small").epochs == 7


@pytest.mark.parametrize("preset", ["paper", "native"])
def test_every_architecture_has_a_budget_on_every_dataset(preset: str) -> None:
    trained = [name for name, row in config.classifiers().items() if row.training != "never"]
    assert {"resnet18", "resnet34", "resnet50", "wrn28_10", "wrn70_16", "resnet18_at"} < set(
        trained
    )
    for dataset in ("cifar10", "cifar100", "imagenette"):
        for name in trained:
            budget = presets.get(preset).classifier_training(dataset, name)
            assert budget.epochs >= 30
            assert (budget.attack is not None) == name.endswith("_at")
            validate.check_cell(Cell(dataset=dataset, classifier=name), presets.get(preset))


@pytest.mark.slow
def test_a_killed_training_ends_as_if_nothing_had_happened(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = {"precision": "bfloat16", "channels_last": True}
    small("presets/smoke", {"compute": {"train": fast}})
    jobs.classifier(
        TrainClassifier(
            preset=presets.get("smoke"), cell=Cell(dataset="cifar10_slice", classifier="mine")
        ),
        CPU,
    )
    path = paths.trained(presets.get("smoke"), "cifar10_slice", "mine")
    whole = path.read_bytes()
    path.unlink()
    step = ClassifierTrainer.step

    def dies(self: ClassifierTrainer, number: int) -> Any:
        if number == 2:
            raise KeyboardInterrupt
        return step(self, number)

    monkeypatch.setattr(ClassifierTrainer, "step", dies)
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", -1.0)
    with pytest.raises(KeyboardInterrupt):
        jobs.classifier(
            TrainClassifier(
                preset=presets.get("smoke"), cell=Cell(dataset="cifar10_slice", classifier="mine")
            ),
            CPU,
        )
    assert not path.exists()
    done: list[int] = []
    monkeypatch.setattr(
        ClassifierTrainer, "step", lambda self, number: done.append(number) or step(self, number)
    )
    jobs.classifier(
        TrainClassifier(
            preset=presets.get("smoke"), cell=Cell(dataset="cifar10_slice", classifier="mine")
        ),
        CPU,
    )
    assert done == [2, 3]
    assert path.read_bytes() == whole
    assert read_json(path.with_suffix(".json"))["resumed"]


def test_whose_weights_a_classifier_has(change: Change, workdir: Path) -> None:
    standard = paths.CHECKPOINTS / "robustbench/cifar10/Linf/Standard.pt"
    assert paths.classifier(presets.get("paper"), "cifar10", "wrn28_10") == [standard]
    # A part of a dataset has the weights of the whole.
    assert paths.classifier(presets.get("paper"), "cifar10_slice", "wrn28_10") == [standard]
    trained = [paths.trained(presets.get("paper"), "cifar100", "wrn28_10")]
    assert paths.classifier(presets.get("paper"), "cifar100", "wrn28_10") == trained
    bai = paths.classifier(presets.get("paper"), "cifar100", "bai2023_wrn70_extra")
    assert [path.name for path in bai] == [f"Bai2023Improving_edm.pt_m{i}.pt" for i in range(3)]
    change("presets/paper", {"classifiers": {"wrn28_10": {"train": True}}})
    trained = [paths.trained(presets.get("paper"), "cifar10", "wrn28_10")]
    assert paths.classifier(presets.get("paper"), "cifar10", "wrn28_10") == trained
    mine = {"train": False, "checkpoints": {"cifar10": {"file": "mine/wrn.pth"}}}
    change("presets/paper", {"classifiers": {"wrn28_10": mine}})
    assert paths.classifier(presets.get("paper"), "cifar10", "wrn28_10") == [Path("mine/wrn.pth")]
    assert paths.classifier(presets.get("paper"), "cifar100", "wrn28_10") != [Path("mine/wrn.pth")]
    change("presets/paper", {"classifiers": {"wrn28_10": {"train": True}}})
    assert paths.classifier(presets.get("paper"), "cifar10", "wrn28_10") == trained


def test_public_weights_are_verified_whenever_they_are_used(change: Change) -> None:
    assemble.trained_classifier(presets.get("native"), "cifar10", "resnet18_32")
    change("checkpoints", {"resnet18-pyautoattack": {"sha256": "0" * 64}})
    with pytest.raises(AtopError, match=r"model_test\.pt: SHA-256 is 399f.*the config says 0000"):
        assemble.trained_classifier(presets.get("native"), "cifar10", "resnet18_32")


def test_a_web_page_in_the_place_of_weights_is_named(workdir: Path) -> None:
    (path,) = paths.classifier(presets.get("paper"), "cifar10", "wrn28_10")
    path.parent.mkdir(parents=True)
    path.write_text("<!DOCTYPE html><html>quota exceeded</html>")
    with pytest.raises(AtopError, match=r"Standard\.pt: a web page, perhaps about a quota"):
        assemble.trained_classifier(presets.get("paper"), "cifar10", "wrn28_10")


def test_somebody_elses_defence_is_never_trained_here(change: Change) -> None:
    validate.check_cell(Cell(dataset="cifar10", classifier="gowal2020_wrn28"), presets.get("paper"))
    with pytest.raises(AtopError, match=r"gowal2020_wrn28: no weights for cifar100, and it is not"):
        validate.check_cell(
            Cell(dataset="cifar100", classifier="gowal2020_wrn28"), presets.get("paper")
        )
    with pytest.raises(AtopError, match="gowal2020_wrn28: no weights for cifar100"):
        jobs.classifier(
            TrainClassifier(
                preset=presets.get("paper"),
                cell=Cell(dataset="cifar100", classifier="gowal2020_wrn28"),
            ),
            CPU,
        )
    change("presets/paper", {"classifiers": {"gowal2020_wrn28": {"train": True}}})
    with pytest.raises(AtopError, match=r"classifiers\.gowal2020_wrn28: train: true, but"):
        validate.check_cell(
            Cell(dataset="cifar10", classifier="gowal2020_wrn28"), presets.get("paper")
        )


def test_no_batch_at_all_is_no_training(small: Change) -> None:
    small("presets/smoke", {"stages": {"classifier": {"images": 15, "epochs": ...}}})
    with pytest.raises(AtopError, match="cifar10_slice-mine: not one whole batch of 16; lower"):
        jobs.classifier(
            TrainClassifier(
                preset=presets.get("smoke"), cell=Cell(dataset="cifar10_slice", classifier="mine")
            ),
            CPU,
        )
    assert not paths.trained(presets.get("smoke"), "cifar10_slice", "mine").exists()


def test_a_model_of_robustbench_is_a_classifier_by_the_readmes_row(
    change: Change, workdir: Path
) -> None:
    text = (ROOT / "atop" / "README.md").read_text()
    match = re.search(r"```yaml\n(carmon2019_wrn28:.*?)```", text, re.S)
    assert match
    change("classifiers", yaml.safe_load(match[1]))
    (path,) = paths.classifier(presets.get("smoke"), "cifar10_slice", "carmon2019_wrn28")
    torch.manual_seed(0)
    network = assemble.classifier("cifar10_slice", "carmon2019_wrn28")
    path.parent.mkdir(parents=True)
    inner = network.network.state_dict()  # type: ignore[union-attr, operator]
    torch.save({"state_dict": {f"module.{key}": value for key, value in inner.items()}}, path)
    purified = Cell(
        dataset="cifar10_slice", classifier="carmon2019_wrn28", purifier="deepfill",
        init="scratch", transform="rt2", finetune="adversarial",
    )  # fmt: skip
    validate.check_cell(purified, presets.get("smoke"))
    bare = assemble.defense(presets.get("smoke"), purified.bare)
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(bare(x), network.eval()(x), rtol=1e-4, atol=1e-5)
