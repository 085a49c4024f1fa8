"""Made-up records of a small config, to test what is printed."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from atop.core.files import write_json
from atop.experiment import paths, presets
from atop.experiment.cells import Cell
from atop.experiment.settings.attacks import parse_entry
from atop.experiment.tables import Table, table
from support.synthetic_config import ATTACKS

N = 200
LABELS = np.arange(N) % 10
RIGHT = {
    "rt1-none": {"clean": 170, "fgsm": 20, "pgd-1000": 3},
    "rt1-atop": {"clean": 180, "fgsm": 150, "pgd-1000": 80},
    "rt2-none": {"clean": 100, "fgsm": 90, "pgd-1000": 85},
    "undefended": {"clean": 190, "fgsm": 10, "pgd-1000": 0},
}
RATES = {"clean": 0.9, "pgd": 0.4, "pgd@classifier": 0.8, "square": 0.5, "fixed": 0.1}


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
    for entry in presets.get(preset).suite("strict").attacks:
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


def answers(hits: Any) -> list[list[int]]:
    """Predicted classes: the label where right, the next class where wrong."""
    labels = np.arange(hits.shape[-1]) % 10
    predicted: list[list[int]] = np.where(hits, labels, (labels + 1) % 10).tolist()
    return predicted


def evaluation(entry: str, preset: str, hits: Any) -> dict[str, Any]:
    """What a record holds on an entry, with (draws, N) right answers."""
    name = parse_entry(entry, "").attack
    sha = hashlib.sha256(name.encode()).hexdigest()
    return {
        "attack": entry,
        "budget": presets.get(preset).attack(name).given(),
        "predictions": answers(hits),
        "distance": {"linf": 0.031, "l2": 1.5, "unmoved": 0.0},
        "adversarial": None if name == "clean" else {"sha256": sha},
    }


def frame_of(cell: Cell, preset: str, draws: int, n: int = N) -> dict[str, Any]:
    """A record of Table 7 but for its evaluations."""
    return {
        "schema": 2,
        "preset": preset,
        "cell": cell.as_dict(),
        "suite": "table7",
        "target": "classifier",
        "victim": cell.bare.id,
        "n": n,
        "draws": draws,
        "indices": list(range(n)),
        "labels": (np.arange(n) % 10).tolist(),
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


def write_records(results: Path, preset: str, **changes: dict[str, Any]) -> Table:
    """Records of RIGHT below `results`, changed at the top level by `changes`; no rt2-atop."""
    made = table("table7", presets.get(preset))
    for key, right in RIGHT.items():
        content = record(cell_of(made, key), preset=preset, right=right)
        content.update(changes.get(key.replace("-", "_"), {}))
        write_json(where(results, preset, cell_of(made, key)), content)
    return made


def write_strict(results: Path, preset: str, **changes: dict[str, Any]) -> Table:
    """Records of the strict table's rows that can run below `results`, changed by `changes`."""
    made = table("strict", presets.get(preset))
    for key, better in (("rt2-atop", 0.0), ("no-purifier", -0.2)):
        rates = {entry: max(rate + better, 0) for entry, rate in RATES.items()}
        content = strict_record(cell_of(made, key), preset, rates)
        content.update(changes.get(key.replace("-", "_"), {}))
        write_json(where(results, preset, cell_of(made, key), "strict", "defense"), content)
    return made


def write_figure(results: Path, preset: str) -> Table:
    """Records of the first panel's rows below `results`; no a-rt2-adversarial."""
    made = table("figure4", presets.get(preset))
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
    return results / paths.record(presets.get(preset), cell, suite, target).relative_to(
        paths.RESULTS
    )
