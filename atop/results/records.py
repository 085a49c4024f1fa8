"""Records: the evaluation of a cell under a suite of attacks, with an outcome per example."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from atop.core import stats
from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import Cell
from atop.experiment.settings.attacks import AttackSpec
from atop.experiment.tables import Column, are_clean
from atop.results.record_model import Record

Records = dict[Path, Dict]
"""Records by the paths that the workflow gives them."""


def read(path: Path, *, cell: Cell) -> Dict:
    """Load the record of a cell and check it.

    Raises:
        AtopError: names the file and the key that is wrong.
    """
    record = check(read_json(path), where=str(path))
    if record["cell"]["id"] != cell.id:
        raise AtopError(f"{path}: cell: is {record['cell']['id']}, the file's name says {cell.id}")
    return record


def check(record: Dict, *, where: str) -> Dict:
    """Check a record against record_model.py, and its lengths; return it in the newest schema.

    Raises:
        AtopError: names `where` and the key that is wrong.
    """
    config.validate(record, Record, where=where)
    record = up_to_date(record)
    n = record["n"]
    _check_shape(where, "indices", record["indices"], (n,))
    _check_shape(where, "labels", record["labels"], (n,))
    for i, outcome in enumerate(record["evaluations"]):
        key = f"evaluations.{i}"
        draws = 1 if outcome["budget"].get("through") == "fixed" else record["draws"]
        _check_shape(where, f"{key}.predictions", outcome["predictions"], (draws, n))
        if selection := outcome.get("selection"):
            shape, key = (record.get("selection", 0), n), f"{key}.selection"
            _check_shape(where, f"{key}.predictions", selection["predictions"], shape)
            _check_shape(where, f"{key}.margins", selection["margins"], (n,), kinds="fi")
    return record


def up_to_date(record: Dict) -> Dict:
    """Return a record of schema 1 as schema 2 writes it.

    Budgets of AutoAttack did not name its version, official. Fingerprints of settings without it
    differ from those of today and are left out; `verify` compares the settings one by one.
    """
    if record["schema"] != 1:
        return record
    evaluations = [_with_version(outcome) for outcome in record["evaluations"]]
    updated = {**record, "schema": 2, "evaluations": evaluations}
    if evaluations != record["evaluations"]:
        updated.pop("fingerprint", None)
    return updated


def _with_version(outcome: Dict) -> Dict:
    """Add the version of AutoAttack to an evaluation and to the metadata of its set."""
    if outcome["budget"]["method"] != "autoattack":
        return outcome
    versioned = {**outcome, "budget": {**outcome["budget"], "version": "official"}}
    if metadata := outcome["adversarial"]:
        metadata = {key: value for key, value in metadata.items() if key != "fingerprint"}
        if "budget" in metadata:
            metadata["budget"] = {**metadata["budget"], "version": "official"}
        versioned["adversarial"] = metadata
    return versioned


def budget_of(evaluation: Dict) -> AttackSpec:
    """Return the attack of an evaluation with the budget that was run."""
    return AttackSpec(**evaluation["budget"])


def evaluation(record: Dict, entry: str) -> Dict | None:
    """Return the evaluation of a record under an entry of its suite, if there is one."""
    return next((run for run in record["evaluations"] if run["attack"] == entry), None)


def data(record: Dict) -> Dict:
    """Return how the test images were verified; older records hold a hash that was checked."""
    older = {"name": record["cell"]["dataset"], "verified": "pixels", "positions": "published"}
    return record["provenance"].get("data", older)  # type: ignore[no-any-return]


def steps(record: Dict) -> Iterator[tuple[str, Dict]]:
    """Yield the steps behind a record, "evaluated", "trained" or an entry, with provenance."""
    yield "evaluated", record["provenance"]
    if training := record.get("training"):
        yield "trained", training["provenance"]
    for outcome in record["evaluations"]:
        if provenance := (outcome["adversarial"] or {}).get("provenance"):
            yield outcome["attack"], provenance


def entries(record: Dict, column: Column) -> list[str]:
    """Return the entries of a column, without those that do not apply to the record's cell."""
    return [text for text in column.entries if text not in record.get("not_applicable", ())]


def lacking(record: Dict, column: Column) -> str | None:
    """Return what a column needs and a record does not have; None if it has all."""
    needed = entries(record, column)
    if are_clean(needed) and not are_clean(column.entries):
        return "an attack of this kind: the cell has no such part"
    for entry in needed:
        outcome = evaluation(record, entry)
        if outcome is None:
            return f"the attack {entry}"
        if len(needed) > 1 and "selection" not in outcome:
            return f"selection draws of {entry}"
        if stats.tries(column.metric) > len(outcome["predictions"]):
            return f"enough draws of {entry} for {column.metric}"
    return None


def correct(record: Dict, column: Column) -> stats.Outcomes:
    """Return (draws, n) whether each example is classified correctly in a column.

    Of several entries, the worst for each example counts: it is picked on the selection draws and
    judged on the evaluation draws. Otherwise luck in the draws would look like a stronger attack.

    Raises:
        KeyError: the record has not all that `lacking` checks.
    """
    if missing := lacking(record, column):
        raise KeyError(missing)
    labels = np.asarray(record["labels"])
    outcomes = [evaluation(record, entry) or {} for entry in entries(record, column)]
    predictions = np.asarray([outcome["predictions"] for outcome in outcomes])
    picked = np.zeros(len(labels), dtype=int)
    if len(outcomes) > 1:
        selected = np.asarray([outcome["selection"]["predictions"] for outcome in outcomes])
        margins = np.asarray([outcome["selection"]["margins"] for outcome in outcomes])
        picked = stats.worst((selected == labels).sum(axis=1), margins)
    return stats.correct(predictions[picked, :, np.arange(len(labels))].T, labels, column.metric)


def _check_shape(
    where: str, key: str, values: Any, shape: tuple[int, ...], kinds: str = "i"
) -> None:
    """Raise AtopError unless values are numbers ("i" integers, "f" floats) of a shape."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0)
    if array.shape != shape or array.dtype.kind not in kinds:
        kind = "integers" if kinds == "i" else "numbers"
        raise AtopError(f"{where}: {key}: expected {kind} of shape {shape}; delete and run again")
