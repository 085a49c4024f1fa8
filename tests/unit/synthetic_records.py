"""A small Table 7 with made-up records, for the tests of aggregate, render and diff."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from atop import config
from atop.cells import Cell
from atop.files import write_json
from atop.records import locate

N = 200
ATTACKS = ("clean", "fgsm", "pgd-1000")
TABLE: dict[str, Any] = {
    "title": "Accuracy under 100% & _odd_ #names",
    "caption": "All attacks are Linf.",
    "suite": "table7",
    "labels": ["Transforms", "AToP"],
    "defaults": {
        "dataset": "cifar10",
        "classifier": "resnet18",
        "purifier": "deepfill",
        "init": "places2",
    },
    "rows": [
        {"key": "rt1-none", "labels": ["RT1", "no"], "cell": {"transform": "rt1"}},
        {"key": "rt1-atop", "labels": ["RT1", "yes"], "cell": {"transform": "rt1"}},
        {"key": "rt2-none", "labels": ["RT2", "no"], "cell": {"transform": "rt2"}},
        {"key": "rt2-atop", "labels": ["RT2", "yes"], "cell": {"transform": "rt2"}},
        {
            "key": "rt3-atop",
            "labels": ["RT3", "yes"],
            "cell": {"transform": "rt3"},
            "unavailable": "needs weights that are not public",
        },
    ],
    "controls": [
        {
            "key": "undefended",
            "labels": ["undefended", "-"],
            "cell": {"purifier": "identity", "transform": "none", "init": "none"},
        }
    ],
    "columns": [
        {"key": "standard", "label": "Standard Acc.", "attack": "clean"},
        {"key": "fgsm", "label": "FGSM", "attack": "fgsm", "paper": {"eps": "8/255"}},
        {"key": "pgd-1000", "label": "PGD-1000", "attack": "pgd-1000"},
    ],
    "pairs": [["rt1-atop", "rt1-none"], ["rt2-atop", "rt2-none"]],
}
for row in TABLE["rows"]:
    row["cell"]["finetune"] = "adversarial" if row["key"].endswith("atop") else "none"

PGD = {"method": "pgd", "norm": "Linf", "eps": "8/255", "step_size": "2/255", "steps": 1000}
CONFIG: dict[str, Any] = {
    "tables/table7": TABLE,
    "attacks": {
        "attacks": {
            "clean": {"method": "clean"},
            "fgsm": {"method": "fgsm", "norm": "Linf", "eps": "8/255", "eot": 1},
            "pgd-1000": {**PGD, "random_start": True, "eot": 1},
        },
        "suites": {"table7": {"target": "classifier", "attacks": list(ATTACKS), "draws": 1}},
    },
    "presets/smoke": {
        "about": "embedded data, two CPU cores",
        "comparable": False,
        "dataset": {"cifar10": "cifar10_slice"},
        "classifier": {"resnet18": "resnet_small"},
        "init": "scratch",
        "attacks": {"pgd-1000": {"steps": 50}},
    },
    "presets/paper": {
        "about": "what the paper did",
        "comparable": True,
        "dataset": {},
        "classifier": {},
        "init": "places2",
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
OWN_SCHEMAS = {"table", "record", "deviations"}


def use_config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the suite at the small config above; schemas of other files are tested elsewhere."""
    for name, content in CONFIG.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    validate = config.validate

    def only_own(content: Any, schema: str, *, where: str) -> None:
        if schema in OWN_SCHEMAS:
            validate(content, schema, where=where)

    monkeypatch.setenv("ATOP_CONFIG_DIR", str(folder))
    monkeypatch.setattr(config, "validate", only_own)
    config.read.cache_clear()


def record(cell: Cell, *, preset: str, right: dict[str, int], draws: int = 1) -> dict[str, Any]:
    """A record with `right[attack]` right answers among N, the first ones."""
    labels = [i % 10 for i in range(N)]
    evaluations = []
    for attack in ATTACKS:
        hits = np.arange(N) < right[attack]
        answers = np.where(hits, labels, (np.array(labels) + 1) % 10).tolist()
        sha = hashlib.sha256(attack.encode()).hexdigest()
        evaluations.append(
            {
                "attack": attack,
                "budget": config.attack(attack, preset),
                "predictions": [answers] * draws,
                "distance": {"linf": 0.031, "l2": 1.5, "unmoved": 0.0},
                "adversarial": None if attack == "clean" else {"sha256": sha},
            }
        )
    return {
        "schema": 1,
        "preset": preset,
        "cell": cell.as_dict(),
        "suite": "table7",
        "target": "classifier",
        "victim": cell.bare.id,
        "n": N,
        "draws": draws,
        "indices": list(range(N)),
        "labels": labels,
        "evaluations": evaluations,
        "findings": [],
        "networks": {
            "classifier": {"name": cell.classifier, "parameters": 726570},
            "purifier": {"name": cell.purifier, "parameters": 0 if cell.undefended else 113000},
        },
        "sizes": {"input": 32, "purifier": 32, "classifier": 32},
        "provenance": {
            "code_sha": "abc123",
            "commit": None,
            "config_digest": "d1",
            "checkpoints": {"classifier": "c1"},
            "data_sha256": "d2",
            "versions": {"python": "3.12.1", "torch": "2.11.0"},
            "device": "cpu",
            "wall_s": 1.5,
            "peak_memory_mb": 300.0,
            "created": "2026-01-02T03:04:05+00:00",
        },
    }


RIGHT = {
    "rt1-none": {"clean": 170, "fgsm": 20, "pgd-1000": 3},
    "rt1-atop": {"clean": 180, "fgsm": 150, "pgd-1000": 80},
    "rt2-none": {"clean": 100, "fgsm": 90, "pgd-1000": 85},
    "undefended": {"clean": 190, "fgsm": 10, "pgd-1000": 0},
}


def write_records(results: Path, preset: str, **changes: dict[str, Any]) -> config.Table:
    """Records of RIGHT below `results`, changed at the top level by `changes`; no rt2-atop."""
    table = config.table("table7", preset)
    cells = {row.key: row.cell for row in table.rows}
    for key, right in RIGHT.items():
        content = record(cells[key], preset=preset, right=right)
        content.update(changes.get(key.replace("-", "_"), {}))
        write_json(where(results, preset, cells[key]), content)
    return table


def where(results: Path, preset: str, cell: Cell) -> Path:
    """The path of a record."""
    return locate(results=results, preset=preset, cell=cell, suite="table7", target="classifier")
