"""A small config: a Table 7, a strict table, a figure of bars and what they name."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from atop.experiment import config

ATTACKS = ("clean", "fgsm", "pgd-1000")
DEFAULTS = {
    "dataset": "cifar10", "classifier": "resnet18", "purifier": "deepfill", "init": "places2",
}  # fmt: skip
UNDEFENDED = {"purifier": "identity", "transform": "none", "init": "none"}
TABLE: dict[str, Any] = {
    "title": "Accuracy under 100% & _odd_ #names",
    "caption": "All attacks are Linf.",
    "suite": "table7",
    "labels": ["Transforms", "AToP"],
    "defaults": DEFAULTS,
    "rows": [
        {"key": "rt1-none", "labels": ["RT1", "no"], "cell": {"transform": "rt1"}},
        {"key": "rt1-atop", "labels": ["RT1", "yes"], "cell": {"transform": "rt1"}},
        {"key": "rt2-none", "labels": ["RT2", "no"], "cell": {"transform": "rt2"}},
        {"key": "rt2-atop", "labels": ["RT2", "yes"], "cell": {"transform": "rt2"}},
        {
            "key": "rt3-atop",
            "labels": ["RT3", "yes"],
            "cell": {"transform": "rt3"},
            "cited": "needs weights that are not public",
        },
    ],
    "controls": [{"key": "undefended", "labels": ["undefended", "-"], "cell": UNDEFENDED}],
    "columns": [
        {"key": "standard", "label": "Standard Acc.", "attack": "clean"},
        {"key": "fgsm", "label": "FGSM", "attack": "fgsm", "paper": {"eps": "8/255"}},
        {"key": "pgd-1000", "label": "PGD-1000", "attack": "pgd-1000"},
    ],
    "pairs": [["rt1-atop", "rt1-none"], ["rt2-atop", "rt2-none"]],
}
for row in TABLE["rows"]:
    row["cell"]["finetune"] = "adversarial" if row["key"].endswith("atop") else "none"

CANDIDATES = ["clean", "pgd", "pgd@classifier", "square"]
STRICT: dict[str, Any] = {
    "title": "An attacker who knows all",
    "suite": "strict",
    "labels": ["Defence", "Classifier"],
    "defaults": DEFAULTS,
    "rows": [
        {
            "key": "rt2-atop",
            "labels": ["RT2", "ResNet-18"],
            "cell": {"transform": "rt2", "finetune": "adversarial"},
            "printed": [
                {"table": "table7", "row": "rt2-atop", "column": "pgd-1000"},
                {"table": "table8", "row": "rt2-atop", "column": "pgd-20"},
                {"table": "public_review", "row": "rt2-atop", "column": "pgd-200-eot-20"},
            ],
        },
        {
            "key": "wrn28",
            "labels": ["RT2", "WideResNet"],
            "cell": {"classifier": "wrn28_10", "transform": "rt2", "finetune": "adversarial"},
            "printed": [{"table": "table7", "row": "rt2-atop", "column": "standard"}],
        },
        {
            "key": "dmae",
            "labels": ["RT2, DMAE", "ResNet-18"],
            "cell": {"purifier": "dmae", "init": "imagenet", "transform": "rt2"},
        },
        {"key": "foreign", "labels": ["of others", "-"], "cited": "its code is not public"},
    ],
    "controls": [
        {
            "key": "no-purifier",
            "labels": ["RT2, no purifier", "ResNet-18"],
            "cell": {"purifier": "identity", "init": "none", "transform": "rt2"},
        },
    ],
    "columns": [
        {"key": "clean", "label": "Clean", "attack": "clean"},
        {
            "key": "clean-majority",
            "label": "Clean, majority",
            "attack": "clean",
            "metric": "majority",
        },
        {"key": "clean-all", "label": "Clean, all", "attack": "clean", "metric": "all"},
        {"key": "worst", "label": "Worst case", "worst": CANDIDATES},
        {
            "key": "worst-majority",
            "label": "Worst case, majority",
            "worst": CANDIDATES,
            "metric": "majority",
        },
        {"key": "pgd", "label": "PGD", "attack": "pgd"},
        {"key": "square", "label": "Square", "attack": "square"},
        {"key": "fixed", "label": "Known draw", "attack": "fixed"},
        {
            "key": "cifar100",
            "label": "CIFAR-100",
            "attack": "pgd",
            "suite": "other",
            "cell": {"dataset": "cifar100"},
        },
        {"key": "steps-10", "label": "10 steps", "attack": "pgd", "curve": "steps"},
    ],
    "pairs": [["rt2-atop", "no-purifier"]],
}

FIGURE: dict[str, Any] = {
    "figure": "bars",
    "title": "Two ways of training",
    "caption": "The dashed line is the undefended classifier.",
    "suite": "table7",
    "labels": ["Panel", "Transform", "Trained on"],
    "defaults": DEFAULTS,
    "rows": [
        {
            "key": f"{panel}-{transform}-{finetune}",
            "labels": [title, transform.upper(), finetune],
            "cell": {**cell, "transform": transform, "finetune": finetune},
        }
        for panel, title, finetunes, cell in (
            ("a", "(a) CIFAR-10", ("clean", "adversarial"), {}),
            ("b", "(b) 100% & CIFAR_100", ("adversarial",), {"dataset": "cifar100"}),
        )
        for transform in ("rt1", "rt2")
        for finetune in finetunes
    ],
    "controls": [
        {"key": "a-bare", "labels": ["(a) CIFAR-10", "-", "-"], "cell": UNDEFENDED},
        {
            "key": "b-bare",
            "labels": ["(b) 100% & CIFAR_100", "-", "-"],
            "cell": {**UNDEFENDED, "dataset": "cifar100"},
        },
    ],
    "columns": TABLE["columns"][:2],
}

PGD = {"method": "pgd", "norm": "Linf", "eps": "8/255", "step_size": "2/255", "steps": 1000}
EOT: dict[str, Any] = {**PGD, "steps": 200, "eot": 20, "pixels": "native"}
SQUARE = {"method": "square", "norm": "Linf", "eps": "8/255", "queries": 100, "pixels": "native"}
PRESET: dict[str, Any] = {
    "device": "cpu",
    "seed": 0,
    "threads": 1,
    "evaluation": {"n": 512, "seed": 0, "batch": 64},
    "classifiers": {},
    "stages": {},
    "training_attack": "fgsm",
}
NO_HASHES = {"train": None, "test": None}
DATASET: dict[str, Any] = {
    "about": "made up",
    "source": "cifar10",
    "classes": 10,
    "pixels": 32,
    "train_size": 50000,
    "validation": 0,
    "test_size": 10000,
    "shift": 4,
    "sha256": NO_HASHES,
    "images": NO_HASHES,
}
CLASSIFIER: dict[str, Any] = {"about": "made up", "family": "resnet"}
CHECKPOINT = {"about": "", "file": "x.pth", "url": "https://x", "sha256": None, "licence": "none"}
CONFIG: dict[str, Any] = {
    "tables/table7": TABLE,
    "tables/strict": STRICT,
    "tables/figure4": FIGURE,
    "datasets": dict.fromkeys(("cifar10", "cifar10_slice", "cifar100"), DATASET),
    "classifiers": {
        "resnet18": {**CLASSIFIER, "pixels": 256},
        "wrn28_10": {**CLASSIFIER, "pixels": 256},
        "resnet_small": CLASSIFIER,
    },
    "checkpoints": dict.fromkeys(("deepfill-places2", "dmae-imagenet"), CHECKPOINT),
    "attacks": {
        "attacks": {
            "clean": {"method": "clean"},
            "fgsm": {"method": "fgsm", "norm": "Linf", "eps": "8/255", "eot": 1},
            "pgd-1000": {**PGD, "random_start": True, "eot": 1},
            "pgd": EOT,
            "square": {**SQUARE, "after": "pgd", "judge": 20},
            "fixed": {**EOT, "eot": 1, "through": "fixed"},
        },
        "suites": {
            "table7": {"target": "classifier", "attacks": list(ATTACKS), "draws": 1},
            "strict": {
                "target": "defense",
                "attacks": [*CANDIDATES, "fixed"],
                "draws": 4,
                "selection": 3,
            },
            "other": {"target": "defense", "attacks": ["pgd"], "draws": 4},
        },
    },
    "presets/smoke": {
        **PRESET,
        "about": "embedded data, two CPU cores",
        "comparable": False,
        "dataset": {"cifar10": "cifar10_slice"},
        "classifier": {"resnet18": "resnet_small", "wrn28_10": "resnet_small"},
        "init": {"places2": "scratch", "imagenet": "scratch"},
        "sizes": {"input": 32, "purifier": 48, "classifier": 32},
        "purifiers": {"deepfill": {}},
        "attacks": {"pgd-1000": {"steps": 50}, "pgd": {"steps": 20, "examples": 100}},
        "suites": {"strict": {"leave_out": ["square"]}},
    },
    "presets/paper": {
        **PRESET,
        "about": "what the paper did",
        "comparable": True,
        "dataset": {},
        "classifier": {},
        "init": {},
        "leave_out": {"strict": ["dmae"]},
        "sizes": {"input": 256, "purifier": 256, "classifier": 256},
        "purifiers": {"deepfill": {}},
        "attacks": {},
    },
    "deviations": {
        "deviations": [
            {
                "id": "B24",
                "topic": "CW-100 | CW_100",
                "paper": "Linf",
                "code": "L2",
                "here": "L2, labelled so",
                "tables": ["table7"],
                "kind": "evaluation",
            },
            {
                "id": "B25",
                "topic": "radius of Table 8",
                "paper": "1.0",
                "code": "0.5",
                "here": "1.0",
                "tables": ["table8"],
                "kind": "evaluation",
            },
        ]
    },
}


def use_config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the suite at the small config above."""
    for name, content in CONFIG.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    monkeypatch.setenv("ATOP_CONFIG_DIR", str(folder))
    config.forget()
