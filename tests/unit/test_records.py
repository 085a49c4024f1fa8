"""Outcomes of a column from a record; what picks a worst case does not judge it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.synthetic_config import CANDIDATES
from support.synthetic_records import (
    LABELS,
    N,
    answers,
    cell_of,
    strict_record,
    where,
    write_strict,
)

from atop.core.errors import AtopError
from atop.core.files import read_json, write_json
from atop.experiment import presets
from atop.experiment.tables import Column, Table, table
from atop.results.records import check, correct, lacking, read

pytestmark = pytest.mark.usefixtures("small_config")

RATES = dict.fromkeys([*CANDIDATES, "fixed"], 0.5)


@pytest.fixture
def strict() -> Table:
    return table("strict", presets.get("paper"))


def made(strict: Table) -> dict[str, Any]:
    return strict_record(cell_of(strict, "rt2-atop"), "paper", RATES)


def entry(record: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in record["evaluations"] if one["attack"] == name)


def column(strict: Table, *entries: str, metric: str = "mean") -> Column:
    template = vars(strict.column("worst"))
    return Column(**{**template, "entries": entries, "left_out": (), "metric": metric})


def test_one_entry_is_as_it_stands(strict: Table) -> None:
    record = made(strict)
    found = correct(record, column(strict, "pgd"))
    assert found.tolist() == (np.array(entry(record, "pgd")["predictions"]) == LABELS).tolist()
    assert correct(record, column(strict, "fixed")).shape == (1, N)


def test_the_worst_of_copies_of_the_clean_evaluation_is_clean_accuracy(strict: Table) -> None:
    record = made(strict)
    clean = entry(record, "clean")
    for one in record["evaluations"]:
        if one["attack"] in CANDIDATES:
            one["predictions"], one["selection"] = clean["predictions"], clean["selection"]
    for metric in ("mean", "majority", "all"):
        worst = correct(record, column(strict, *CANDIDATES, metric=metric))
        alone = correct(record, column(strict, "clean", metric=metric))
        assert np.array_equal(worst, alone)


def test_candidates_that_differ_by_luck_alone_cost_nothing(strict: Table) -> None:
    """Four evaluations of the same images: picked on the draws that judge, accuracy sinks."""
    record, drawn = made(strict), np.random.default_rng(0)

    def luck(draws: int) -> list[list[int]]:
        hits = drawn.uniform(size=(draws, N)) < 0.5
        return answers(hits)

    for one in record["evaluations"]:
        if one["attack"] in CANDIDATES:
            one["predictions"] = luck(4)
            one["selection"] = {"predictions": luck(3), "margins": [0.0] * N}
    worst = correct(record, column(strict, *CANDIDATES)).mean()
    assert 0.45 < worst < 0.55
    rates = [correct(record, column(strict, one)).mean(axis=0) for one in CANDIDATES]
    assert np.min(rates, axis=0).mean() < 0.35


def test_selection_draws_decide_then_margins_then_order(strict: Table) -> None:
    """On the draws that judge, the one that is to be picked is right and the others are wrong."""
    record = made(strict)
    picked = {0: "square", 1: "pgd", 2: "clean"}
    right = {"clean": [3, 3, 3], "pgd": [3, 3, 3], "square": [2, 3, 3]}
    margins = {"clean": [0.1, 0.5, 0.3], "pgd": [0.1, 0.2, 0.3], "square": [0.9, 0.5, 0.3]}
    for name, counts in right.items():
        hits = np.ones((3, N), dtype=bool)
        for example, count in enumerate(counts):
            hits[:, example] = np.arange(3) < count
        one, rest = entry(record, name), [0.0] * (N - 3)
        one["selection"] = {"predictions": answers(hits), "margins": margins[name] + rest}
        judged = np.ones((4, N), dtype=bool)
        for example, winner in picked.items():
            judged[:, example] = name == winner
        one["predictions"] = answers(judged)
    outcome = correct(record, column(strict, "clean", "pgd", "square"))
    assert outcome[:, :3].all()


def test_older_records_say_that_autoattack_was_gated(strict: Table) -> None:
    record = made(strict)
    square = {"method": "autoattack", "attack": "square", "eps": "8/255"}
    account = {"sha256": "0", "budget": square, "fingerprint": "f", "attacked": 3}
    entry(record, "pgd").update(budget=square, adversarial=account)
    other = entry(record, "pgd@classifier")
    other["adversarial"] = {"sha256": "1", "fingerprint": "g"}
    older = check({**record, "schema": 1, "fingerprint": "whole"}, where="here")
    assert older["schema"] == 2
    assert "fingerprint" not in older  # it is one of settings without the word
    found = entry(older, "pgd")
    assert found["budget"] == {**square, "version": "official"}
    assert found["adversarial"] == {
        "sha256": "0", "budget": {**square, "version": "official"}, "attacked": 3,
    }  # fmt: skip
    assert entry(older, "pgd@classifier") == other
    assert entry(record, "pgd")["budget"] == square  # what was handed in stays


def test_fingerprints_of_what_did_not_change_stay(strict: Table) -> None:
    record = {**made(strict), "fingerprint": "whole"}
    assert check({**record, "schema": 1}, where="here") == record
    assert check(record, where="here") == record
    auto = {"method": "autoattack", "version": "judged"}
    entry(record, "pgd").update(budget=auto, adversarial={"sha256": "0", "fingerprint": "f"})
    assert check(record, where="here") == record


def test_what_a_record_lacks(strict: Table) -> None:
    record = made(strict)
    worst = column(strict, *CANDIDATES)
    assert lacking(record, worst) is None
    del entry(record, "square")["selection"]
    assert lacking(record, worst) == "selection draws of square"
    assert lacking(record, column(strict, "square")) is None
    with pytest.raises(KeyError, match="selection draws of square"):
        correct(record, worst)
    record["evaluations"] = [one for one in record["evaluations"] if one["attack"] != "pgd"]
    assert lacking(record, worst) == "the attack pgd"


@pytest.mark.parametrize(
    ("name", "change", "key"),
    [
        ("pgd", {"predictions": [[0] * N] * 3}, "evaluations.1.predictions"),
        ("fixed", {"predictions": [[0] * N] * 4}, "evaluations.4.predictions"),
        ("pgd", {"selection": {"predictions": [[0] * N], "margins": [0.0] * N}},
         "evaluations.1.selection.predictions"),
        ("pgd", {"selection": {"predictions": [[0] * N] * 3, "margins": [0.0]}},
         "evaluations.1.selection.margins"),
        ("pgd", {"selection": {"predictions": [[0] * N] * 3, "margins": ["a"] * N}},
         "evaluations.1.selection.margins"),
        ("pgd", {"selection": {"predictions": [[0.5] * N] * 3, "margins": [0.0] * N}},
         "evaluations.1.selection.predictions"),
    ],
)  # fmt: skip
def test_shapes(tmp_path: Path, strict: Table, name: str, change: dict[str, Any], key: str) -> None:
    write_strict(tmp_path, "paper")
    cell = cell_of(strict, "rt2-atop")
    path = where(tmp_path, "paper", cell, "strict", "defense")
    content = read_json(path)
    assert read(path, cell=cell) == content
    entry(content, name).update(change)
    write_json(path, content)
    with pytest.raises(AtopError, match=r"strict-defense\.json: " + key):
        read(path, cell=cell)
