"""Training stages behind the tables, and their curves."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from atop import paths
from atop.aggregate import Aggregate
from atop.files import read_json
from atop.report.charts import training

Dict = dict[str, Any]

POINTS = 60
"""So many points draw a loss, each the mean of a stretch of steps."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Training of a purifier: lines of `step` and values by name, and the provenance, if known."""

    cell: str
    history: list[Dict]
    provenance: Dict


def stages(wholes: list[Aggregate], results: Path) -> list[Stage]:
    """Stages that trained what the records measured, each after the one it started from."""
    found: dict[Path, str] = {}
    for whole in wholes:
        for row, column in whole.table.numbers():
            cell = whole.table.cell(row, column)
            if (
                not cell
                or not cell.purifies
                or whole.table.record(row, column) not in whole.records
            ):
                continue
            for one in (cell.base, cell.weights):
                found[paths.purifier(whole.table.preset, one)] = one.id
    return [_stage(results / path.relative_to(paths.RESULTS), id) for path, id in found.items()]


def _stage(weights: Path, cell: str) -> Stage:
    file = weights.with_suffix(".json")
    about = read_json(file) if file.exists() else {}
    return Stage(
        cell=cell, history=about.get("history", []), provenance=about.get("provenance", {})
    )


def charts(stages: list[Stage]) -> list[Dict]:
    """Charts of accuracy and of losses along the steps, as far as anything was logged."""
    accuracies = list(chain.from_iterable(map(_accuracies, stages)))
    losses = list(chain.from_iterable(map(_losses, stages)))
    made = (
        training(accuracies, key="accuracy", axis="accuracy in %, on held-out pictures"),
        training(losses, key="loss", axis="loss"),
    )
    return [chart for chart in made if chart]


def _accuracies(stage: Stage) -> list[Dict]:
    """Accuracies on pictures held out of training: the lines that know clean ones."""
    return [
        {"cell": stage.cell, "step": line["step"], "name": name, "value": round(value, 2)}
        for line in stage.history
        if "clean" in line
        for name, value in line.items()
        if name != "step"
    ]


def _losses(stage: Stage) -> list[Dict]:
    lines = [line for line in stage.history if "clean" not in line]
    found = []
    for name in dict.fromkeys(name for line in lines for name in line if name != "step"):
        points = np.array([(line["step"], line[name]) for line in lines if name in line])
        for part in np.array_split(points, min(POINTS, len(points))):
            step, value = part.mean(axis=0)
            found.append(
                {
                    "cell": stage.cell,
                    "step": round(step),
                    "name": name,
                    "value": float(f"{value:.4g}"),
                }
            )
    return found
