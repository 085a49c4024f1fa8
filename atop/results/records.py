"""Records: one evaluation on disk, a cell under the attacks of a suite, an outcome per example."""

from pathlib import Path
from typing import Any

import numpy as np

from atop.core import stats
from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import Cell
from atop.experiment.tables import Column
from atop.results.record_model import Record

Records = dict[Path, Dict]
"""Records by the paths at which the workflow makes them."""


def read(path: Path, *, cell: Cell) -> Dict:
    """A record of a cell, checked against record_model.py and against itself.

    Raises:
        AtopError: names the file and the key that is wrong.
    """
    record = check(read_json(path), where=str(path))
    if record["cell"]["id"] != cell.id:
        raise AtopError(f"{path}: cell: is {record['cell']['id']}, the file's name says {cell.id}")
    return record


def check(record: Dict, *, where: str) -> Dict:
    """A record, if it is one by record_model.py and its lengths agree; brought up to date.

    Raises:
        AtopError: names where it comes from and the key that is wrong.
    """
    config.validate(record, Record, where=where)
    record = up_to_date(record)
    n = record["n"]
    _shaped(where, "indices", record["indices"], (n,))
    _shaped(where, "labels", record["labels"], (n,))
    for i, one in enumerate(record["evaluations"]):
        key = f"evaluations.{i}"
        draws = 1 if one["budget"].get("through") == "fixed" else record["draws"]
        _shaped(where, f"{key}.predictions", one["predictions"], (draws, n))
        if "selection" in one:
            shape, picked = (record.get("selection", 0), n), one["selection"]
            _shaped(where, f"{key}.selection.predictions", picked["predictions"], shape)
            _shaped(where, f"{key}.selection.margins", picked["margins"], (n,), numbers="fi")
    return record


def up_to_date(record: Dict) -> Dict:
    """A record of schema 1 as schema 2 writes it.

    AutoAttack had one version, which is called official now; its budgets lacked the word, and
    fingerprints of settings without it say nothing of those of today. They are left out, as in
    records from before fingerprints; `verify` compares the settings one by one.
    """
    if record["schema"] != 1:
        return record
    evaluations = [_with_version(one) for one in record["evaluations"]]
    whole = {**record, "schema": 2, "evaluations": evaluations}
    if evaluations != record["evaluations"]:
        whole.pop("fingerprint", None)
    return whole


def _with_version(one: Dict) -> Dict:
    """An evaluation and the account of its set, with the version of AutoAttack."""
    if one["budget"]["method"] != "autoattack":
        return one
    versioned = {**one, "budget": {**one["budget"], "version": "official"}}
    if account := one["adversarial"]:
        account = {key: told for key, told in account.items() if key != "fingerprint"}
        if "budget" in account:
            account["budget"] = {**account["budget"], "version": "official"}
        versioned["adversarial"] = account
    return versioned


def evaluation(record: Dict, entry: str) -> Dict | None:
    """What a record holds on an entry of its suite, if anything."""
    return next((found for found in record["evaluations"] if found["attack"] == entry), None)


def data(record: Dict) -> Dict:
    """Which test pictures a record is of; older ones have a hash instead, which was checked."""
    older = {"name": record["cell"]["dataset"], "verified": "pixels", "positions": "published"}
    return record["provenance"].get("data", older)  # type: ignore[no-any-return]


def lacking(record: Dict, column: Column) -> str | None:
    """What a column needs and a record does not have; None if it has all."""
    for entry in column.entries:
        found = evaluation(record, entry)
        if found is None:
            return f"the attack {entry}"
        if len(column.entries) > 1 and "selection" not in found:
            return f"selection draws of {entry}"
        if stats.tries(column.metric) > len(found["predictions"]):
            return f"enough draws of {entry} for {column.metric}"
    return None


def correct(record: Dict, column: Column) -> stats.Outcomes:
    """(draws, n): which examples count as classified rightly in a column.

    Of several entries, each example's worst counts: picked on the selection draws, judged on the
    evaluation draws, which are others. Picked on the draws that judge, luck would look like attack.

    Raises:
        KeyError: the record lacks something, as `lacking` tells.
    """
    if missing := lacking(record, column):
        raise KeyError(missing)
    labels = np.asarray(record["labels"])
    found = [evaluation(record, entry) or {} for entry in column.entries]
    predictions = np.asarray([one["predictions"] for one in found])
    picked = np.zeros(len(labels), dtype=int)
    if len(found) > 1:
        selected = np.asarray([one["selection"]["predictions"] for one in found])
        margins = np.asarray([one["selection"]["margins"] for one in found])
        picked = stats.worst((selected == labels).sum(axis=1), margins)
    return stats.correct(predictions[picked, :, np.arange(len(labels))].T, labels, column.metric)


def _shaped(where: str, key: str, values: Any, shape: tuple[int, ...], numbers: str = "i") -> None:
    """Raise AtopError unless values are numbers ("i" integers, "f" floats) of a shape."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0)
    if array.shape != shape or array.dtype.kind not in numbers:
        kind = "integers" if numbers == "i" else "numbers"
        raise AtopError(f"{where}: {key}: expected {kind} of shape {shape}; delete and run again")
