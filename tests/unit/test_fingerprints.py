"""Fingerprints: a stage runs again when, and only when, a setting of its own changes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.stages.attack import Attack
from atop.experiment.stages.evaluation import Evaluate
from atop.experiment.stages.finetuning import Pretrain, finetuning
from atop.experiment.stages.training import TrainClassifier

CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
ROW: dict[str, Any] = {"options": {}, "loss": {}, "checkpoints": {}}
PUBLIC = Cell(dataset="cifar10", classifier="resnet18_32")
DMAE = replace(CELL, purifier="dmae", transform="tokens")
BARE_RT2 = replace(CELL, purifier="identity", init="none", finetune="none")
Change = Callable[[str, dict[str, Any]], None]


def prints() -> dict[str, str]:
    """The fingerprints of all stages."""
    return {
        "classifier": TrainClassifier(
            preset=presets.get("embedded"), cell=Cell(dataset="cifar10", classifier="resnet_small")
        ).fingerprint,
        "robust": TrainClassifier(
            preset=presets.get("paper"), cell=Cell(dataset="cifar10", classifier="resnet18_at")
        ).fingerprint,
        "pretrain": Pretrain.of(presets.get("embedded"), "cifar10", "deepfill").fingerprint,
        "l_org": finetuning(presets.get("smoke"), CELL.base).fingerprint,
        "atop": finetuning(presets.get("smoke"), CELL).fingerprint,
        "rt1": finetuning(presets.get("smoke"), replace(CELL, transform="rt1")).fingerprint,
        "attack": Attack(preset=presets.get("smoke"), cell=CELL, attack="pgd-10").fingerprint,
        "evaluate": Evaluate(
            preset=presets.get("smoke"), cell=CELL, suite="table7", target="classifier"
        ).fingerprint,
        "public": Attack(preset=presets.get("native"), cell=PUBLIC, attack="fgsm").fingerprint,
    }


ALL_SMOKE = {"l_org", "atop", "rt1", "attack", "evaluate"}
CHANGES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("presets/smoke", {"about": "other words"}, set()),
    ("presets/smoke", {"threads": 7}, set()),
    ("presets/smoke", {"seed": 9}, {"attack", "evaluate"}),
    ("presets/smoke", {"sizes": {"purifier": 64}}, ALL_SMOKE),
    ("presets/smoke", {"evaluation": {"n": 9}}, {"attack", "evaluate"}),
    ("presets/smoke", {"evaluation": {"grey_box": 9}}, {"attack", "evaluate"}),
    ("presets/smoke", {"stages": {"l_org": {"lr": 0.5}}}, {"l_org"}),
    ("presets/smoke", {"stages": {"atop": {"lr": 0.5}}}, {"atop", "rt1"}),
    ("presets/smoke", {"purifiers": {"deepfill": {"options": {"width": 12}}}},
     {"l_org", "atop", "rt1"}),
    ("presets/smoke", {"recipe": {"ce_weight": 9.0}}, {"l_org", "atop", "rt1"}),
    ("presets/smoke", {"attacks": {"pgd-10": {"steps": 3}}}, {"attack", "evaluate"}),
    ("presets/smoke", {"attacks": {"pgd-20": {"steps": 3}}}, {"evaluate"}),
    ("presets/embedded", {"stages": {"pretrain": {"lr": 0.5}}}, {"pretrain"}),
    ("presets/embedded", {"stages": {"classifier": {"lr": 0.5}}}, {"classifier"}),
    ("presets/paper", {"stages": {"classifier": {"lr": 0.5}}}, set()),
    ("presets/paper", {"stages": {"robust": {"lr": 0.5}}}, {"robust"}),
    ("classifiers", {"resnet18_at": {"options": {"depth": 34}}}, {"robust"}),
    ("classifiers", {"resnet_small": {"about": "other words"}}, set()),
    ("classifiers", {"resnet_small": {"options": {"x": 1}}},
     {"classifier", *ALL_SMOKE - {"l_org"}}),
    ("presets/smoke", {"classifiers": {"resnet_small": {"train": True}}}, ALL_SMOKE - {"l_org"}),
    ("datasets", {"cifar10_slice": {"test_size": 512}}, {"attack", "evaluate"}),
    ("presets/smoke", {"purifiers": {"mine": ROW}}, set()),
    ("classifiers", {"resnet_small": {"pixels": 40}}, {"classifier", *ALL_SMOKE - {"l_org"}}),
    ("datasets", {"cifar10_slice": {"shift": 2}}, {"l_org", "atop", "rt1"}),
    ("datasets", {"cifar10": {"shift": 2}}, {"pretrain"}),
    ("datasets", {"cifar10": {"validation": 9}}, {"pretrain", "classifier", "robust"}),
    ("datasets", {"cifar10_slice": {"validation": 9}}, {"l_org", "atop", "rt1"}),
    ("presets/smoke", {"curves": {"points": 9}}, set()),
    ("checkpoints", {"resnet18-pyautoattack": {"sha256": "0" * 64}}, {"public"}),
    ("attacks", {"attacks": {"pgd-10": {"steps": 3}}}, {"robust", "attack", "evaluate"}),
    ("presets/embedded", {"purifiers": {"deepfill": {"options": {"width": 12}}}}, {"pretrain"}),
    ("transforms", {"rt2": {"sigma": 0.1}}, {"pretrain", "l_org", "atop", "attack", "evaluate"}),
    ("transforms", {"rt3": {"sigma": 0.1}}, set()),
    ("recipes", {"official": {"ce_weight": 9.0}}, set()),
    ("attacks", {"attacks": {"fgsm": {"eps": "4/255"}}}, {"atop", "rt1", "evaluate", "public"}),
    ("attacks", {"suites": {"table7": {"draws": 3}}}, {"evaluate"}),
]  # fmt: skip


@pytest.mark.parametrize(("file", "changes", "touched"), CHANGES)
def test_a_stage_runs_again_when_and_only_when_its_settings_change(
    change: Change, file: str, changes: dict[str, Any], touched: set[str]
) -> None:
    before = prints()
    assert before == prints()
    change(file, changes)
    after = prints()
    assert {stage for stage in before if before[stage] != after[stage]} == touched


def prints_of_two() -> dict[str, str]:
    """The fingerprints of two purifiers' stages, and of t without any purifier."""
    return {
        "deepfill_pretrain": Pretrain.of(
            presets.get("embedded"), "cifar10", "deepfill"
        ).fingerprint,
        "deepfill": finetuning(presets.get("smoke"), CELL).fingerprint,
        "dmae_pretrain": Pretrain.of(presets.get("embedded"), "cifar10", "dmae").fingerprint,
        "dmae_l_org": finetuning(presets.get("smoke"), DMAE.base).fingerprint,
        "dmae": finetuning(presets.get("smoke"), DMAE).fingerprint,
        "rt2_attack": Attack(
            preset=presets.get("smoke"), cell=BARE_RT2, attack="pgd-10"
        ).fingerprint,
        "rt2_evaluate": Evaluate(
            preset=presets.get("smoke"), cell=BARE_RT2, suite="table7", target="classifier"
        ).fingerprint,
    }


RT2, DMAES = {"deepfill", "rt2_attack", "rt2_evaluate"}, {"dmae_l_org", "dmae"}
CHANGES_OF_TWO: list[tuple[str, dict[str, Any], set[str]]] = [
    ("transforms", {"rt2": {"sigma": 0.1}}, {"deepfill_pretrain", *RT2}),
    ("transforms", {"tokens": {"noise_pixels": 16}}, {"dmae_pretrain", *DMAES}),
    ("transforms", {"tokens75": {"sigma": 0.1}}, set()),
    ("presets/smoke", {"transforms": {"rt2": {"sigma": 0.1}}}, RT2),
    ("presets/smoke", {"transforms": {"tokens": {"grid": 4}}}, DMAES),
    ("presets/embedded", {"transforms": {"tokens": {"grid": 4}}}, {"dmae_pretrain"}),
    ("datasets", {"cifar10_slice": {"pixels": 16}}, DMAES),  # noise is drawn at 16 then
    ("presets/smoke", {"purifiers": {"dmae": {"options": {"depth": 3}}}}, DMAES),
    ("presets/smoke", {"purifiers": {"deepfill": {"loss": {"discriminator_width": 9}}}},
     {"deepfill"}),
    ("presets/embedded", {"purifiers": {"dmae": {"options": {"depth": 3}}}}, {"dmae_pretrain"}),
    ("presets/embedded", {"purifiers": {"dmae": {"options": {"pixels": 48}}}}, {"dmae_pretrain"}),
    ("presets/embedded", {"purifiers": {"deepfill": {"loss": {"discriminator_width": 9}}}},
     {"deepfill_pretrain"}),
    ("presets/smoke", {"stages": {"atop": {"overrides": {"dmae": {"lr": 0.5}}}}}, {"dmae"}),
    ("presets/smoke", {"stages": {"l_org": {"overrides": {"dmae": {"parts": 2}}}}},
     {"dmae_l_org"}),
    ("presets/embedded", {"stages": {"pretrain": {"overrides": {"dmae": {"warmup": 0.2}}}}},
     {"dmae_pretrain"}),
]  # fmt: skip


@pytest.mark.parametrize(("file", "changes", "touched"), CHANGES_OF_TWO)
def test_a_change_that_concerns_one_purifier_or_transform_touches_only_its_stages(
    change: Change, file: str, changes: dict[str, Any], touched: set[str]
) -> None:
    before = prints_of_two()
    change(file, changes)
    after = prints_of_two()
    assert {stage for stage in before if before[stage] != after[stage]} == touched
