"""A small Table 7 and a small strict table with made-up records, to test what is printed."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from atop import config, paths
from atop.cells import Cell
from atop.files import write_json
from atop.tables import Table, table

N = 200
ATTACKS = ("clean", "fgsm", "pgd-1000")
UNDEFENDED = {"purifier": "identity", "transform": "none", "init": "none"}
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
            "cited": "needs weights that are not public",
        },
    ],
    "controls": [
        {
            "key": "undefended",
            "labels": ["undefended", "-"],
            "cell": UNDEFENDED,
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

CANDIDATES = ["clean", "pgd", "pgd@classifier", "square"]
STRICT: dict[str, Any] = {
    "title": "An attacker who knows all",
    "suite": "strict",
    "labels": ["Defence", "Classifier"],
    "defaults": {
        "dataset": "cifar10",
        "classifier": "resnet18",
        "purifier": "deepfill",
        "init": "places2",
    },
    "rows": [
        {
            "key": "rt2-atop",
            "labels": ["RT2", "ResNet-18"],
            "cell": {"transform": "rt2", "finetune": "adversarial"},
            "printed": [
                {"table": "table7", "row": "rt2-atop", "column": "pgd-1000"},
                {"table": "table8", "row": "rt2-atop", "column": "pgd-20"},
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
    "defaults": TABLE["defaults"],
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
CONFIG: dict[str, Any] = {
    "tables/table7": TABLE,
    "tables/strict": STRICT,
    "tables/figure4": FIGURE,
    "datasets": {name: {"pixels": 32} for name in ("cifar10", "cifar10_slice", "cifar100")},
    "classifiers": {"resnet18": {"pixels": 256}, "wrn28_10": {"pixels": 256}, "resnet_small": {}},
    "checkpoints": {"deepfill-places2": {}, "dmae-imagenet": {}},
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
        "about": "embedded data, two CPU cores",
        "comparable": False,
        "dataset": {"cifar10": "cifar10_slice"},
        "classifier": {"resnet18": "resnet_small", "wrn28_10": "resnet_small"},
        "init": {"places2": "scratch", "imagenet": "scratch"},
        "sizes": {"input": 32},
        "purifiers": {"deepfill": {}},
        "attacks": {"pgd-1000": {"steps": 50}, "pgd": {"steps": 20, "examples": 100}},
        "suites": {"strict": {"leave_out": ["square"]}},
    },
    "presets/paper": {
        "about": "what the paper did",
        "comparable": True,
        "dataset": {},
        "classifier": {},
        "init": {},
        "leave_out": {"strict": ["dmae"]},
        "sizes": {"input": 256},
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
    """A record of Table 7 with `right[attack]` right answers among N, the first ones."""
    evaluations = []
    for attack in ATTACKS:
        hits = np.arange(N) < right[attack]
        evaluations.append(evaluation(attack, preset, np.repeat(hits[None], draws, axis=0)))
    return {**frame_of(cell, preset, draws), "evaluations": evaluations}


def strict_record(cell: Cell, preset: str, rates: dict[str, float]) -> dict[str, Any]:
    """A record of the strict table in which each draw is right at a rate of example and attack."""
    drawn = np.random.default_rng(len(cell.id))
    evaluations = []
    for entry in config.suite("strict", preset)["attacks"]:
        chances = np.clip(rates[entry] + drawn.uniform(-1, 1, size=N), 0, 1)
        selected = drawn.uniform(size=(3, N)) < chances
        one = evaluation(entry, preset, drawn.uniform(size=(4, N)) < chances)
        if entry == "fixed":
            one["predictions"] = one["predictions"][:1]
        else:
            margins = [round(float(margin), 2) for margin in selected.mean(axis=0) - 0.5]
            one["selection"] = {"predictions": answers(selected), "margins": margins}
        evaluations.append(one)
    words = {"suite": "strict", "target": "defense", "victim": cell.id, "selection": 3}
    return {**frame_of(cell, preset, draws=4), **words, "evaluations": evaluations}


LABELS = np.arange(N) % 10


def answers(hits: Any) -> list[list[int]]:
    """Predicted classes: the label where right, the next class where wrong."""
    predicted: list[list[int]] = np.where(hits, LABELS, (LABELS + 1) % 10).tolist()
    return predicted


def evaluation(entry: str, preset: str, hits: Any) -> dict[str, Any]:
    """What a record holds on an entry, with (draws, N) right answers."""
    name, _ = config.entry(entry, "")
    sha = hashlib.sha256(name.encode()).hexdigest()
    return {
        "attack": entry,
        "budget": config.attack(name, preset),
        "predictions": answers(hits),
        "distance": {"linf": 0.031, "l2": 1.5, "unmoved": 0.0},
        "adversarial": None if name == "clean" else {"sha256": sha},
    }


def frame_of(cell: Cell, preset: str, draws: int) -> dict[str, Any]:
    """A record of Table 7 but for its evaluations."""
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
        "labels": LABELS.tolist(),
        "findings": [],
        "networks": {
            "classifier": {"name": cell.classifier, "parameters": 726570},
            "purifier": {"name": cell.purifier, "parameters": 113000 if cell.purifies else 0},
        },
        "sizes": {"input": 32, "purifier": 32, "classifier": 32},
        "provenance": {
            "code_sha": "abc123",
            "commit": None,
            "config_digest": "d1",
            "checkpoints": {"classifier": "c1"},
            "data": {
                "name": cell.dataset,
                "sha256": "d2",
                "verified": "pixels",
                "positions": "published",
            },
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
RATES = {"clean": 0.9, "pgd": 0.4, "pgd@classifier": 0.8, "square": 0.5, "fixed": 0.1}


def write_records(results: Path, preset: str, **changes: dict[str, Any]) -> Table:
    """Records of RIGHT below `results`, changed at the top level by `changes`; no rt2-atop."""
    made = table("table7", preset)
    for key, right in RIGHT.items():
        content = record(cell_of(made, key), preset=preset, right=right)
        content.update(changes.get(key.replace("-", "_"), {}))
        write_json(where(results, preset, cell_of(made, key)), content)
    return made


def write_strict(results: Path, preset: str, **changes: dict[str, Any]) -> Table:
    """Records of the strict table's rows that can run below `results`, changed by `changes`."""
    made = table("strict", preset)
    for key, better in (("rt2-atop", 0.0), ("no-purifier", -0.2)):
        rates = {entry: max(rate + better, 0) for entry, rate in RATES.items()}
        content = strict_record(cell_of(made, key), preset, rates)
        content.update(changes.get(key.replace("-", "_"), {}))
        write_json(where(results, preset, cell_of(made, key), "strict", "defense"), content)
    return made


def write_figure(results: Path, preset: str) -> Table:
    """Records of the first panel's rows below `results`; no a-rt2-adversarial."""
    made = table("figure4", preset)
    for key, clean, fgsm in (
        ("a-rt1-clean", 150, 40),
        ("a-rt1-adversarial", 140, 80),
        ("a-rt2-clean", 120, 90),
        ("a-bare", 190, 10),
    ):
        right = {"clean": clean, "fgsm": fgsm, "pgd-1000": 0}
        content = record(cell_of(made, key), preset=preset, right=right)
        write_json(where(results, preset, cell_of(made, key)), content)
    return made


def cell_of(made: Table, key: str) -> Cell:
    """The cell of a row that has one."""
    cell = made.cell(made.row(key))
    assert cell
    return cell


def where(
    results: Path, preset: str, cell: Cell, suite: str = "table7", target: str = "classifier"
) -> Path:
    """The path of a record."""
    return results / paths.record(preset, cell, suite, target).relative_to(paths.RESULTS)
