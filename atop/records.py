"""Records: one evaluation on disk, a cell under the attacks of a suite, an outcome per example."""

from pathlib import Path
from typing import Any

import numpy as np

from atop import config, paths, stats
from atop.cells import Cell
from atop.errors import AtopError
from atop.files import read_json

Dict = dict[str, Any]

_WORDS = {"step_size": "step {}", "steps": "{} steps", "eot": "EOT {}"}
_SILENT = (("eot", 1), ("random_start", True))


def locate(*, results: Path, preset: str, cell: Cell, suite: str, target: str) -> Path:
    """Where a record lies below the folder `results`."""
    return results / paths.record(preset, cell, suite, target).relative_to(paths.RESULTS)


def read(path: Path, *, cell: Cell) -> Dict:
    """A record, checked against record.schema.yaml and against itself.

    Raises:
        AtopError: names the file and the key that is wrong.
    """
    record: Dict = read_json(path)
    config.validate(record, "record", where=str(path))
    if record["cell"]["id"] != cell.id:
        raise AtopError(f"{path}: cell: is {record['cell']['id']}, the file's name says {cell.id}")
    n, draws = record["n"], record["draws"]
    shapes: list[tuple[str, Any, tuple[int, ...]]] = [
        ("indices", record["indices"], (n,)),
        ("labels", record["labels"], (n,)),
    ]
    for i, evaluation in enumerate(record["evaluations"]):
        shapes.append((f"evaluations.{i}.predictions", evaluation["predictions"], (draws, n)))
    for key, values, shape in shapes:
        try:
            array = np.asarray(values)
        except ValueError:
            array = np.empty(0)
        if array.shape != shape or array.dtype.kind != "i":
            raise AtopError(
                f"{path}: {key}: expected integers of shape {shape}; delete and run again"
            )
    return record


def evaluation(record: Dict, attack: str) -> Dict | None:
    """What a record holds on an attack, if anything."""
    return next((found for found in record["evaluations"] if found["attack"] == attack), None)


def correct(record: Dict, attack: str) -> stats.Outcomes:
    """(draws, n): which examples were classified correctly.

    Raises:
        KeyError: the record does not have the attack.
    """
    found = evaluation(record, attack)
    if found is None:
        raise KeyError(attack)
    outcomes: stats.Outcomes = np.asarray(found["predictions"]) == np.asarray(record["labels"])
    return outcomes


def budget_text(budget: Dict) -> str:
    """A budget in words, such as "Linf 8/255, step 2/255, 50 steps (paper preset: 1000)"."""
    scaled = budget.get("scaled", {})

    def phrase(key: str, text: str) -> str:
        return text + (f" (paper preset: {scaled[key]})" if key in scaled else "")

    parts = []
    if "norm" in budget:
        parts.append(phrase("eps", f"{budget['norm']} {budget.get('eps', 'without bound')}"))
    for key, value in budget.items():
        told = key in ("method", "scaled", "norm", "eps")
        if told or ((key, value) in _SILENT and key not in scaled):
            continue
        parts.append(phrase(key, _WORDS.get(key, key.replace("_", " ") + " {}").format(value)))
    return ", ".join(parts)
