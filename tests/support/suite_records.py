"""Made-up records of whole suites under the config as it is, for tests of what becomes of them."""

from pathlib import Path

import numpy as np

from atop.core.files import write_json
from atop.experiment.cells import Cell
from atop.experiment.settings.attacks import parse_entry
from atop.experiment.tables import Table
from support.synthetic_records import N, answers, evaluation, frame_of, where


def write_suite(
    results: Path,
    made: Table,
    row: str,
    *,
    rate: float,
    attacked: float | None = None,
    column: str = "",
    n: int = N,
    **entries: float,
) -> Cell:
    """The record of a row under its table's suite or a column's; answers are right at a rate.

    Attacks may have a rate of their own, and entries of the suite theirs. Rows of equal rates have
    equal outcomes.
    """
    of = made.column(column) if column else None
    cell, name = made.cell(made.row(row), of), of.suite if of else made.spec.suite
    assert cell
    preset = made.preset
    suite = preset.suite(name)
    drawn = np.random.default_rng(0)
    evaluations = []
    for entry in suite.attacks:
        budget = preset.attack(parse_entry(entry, "").attack)
        under_attack = attacked is not None and not budget.clean
        right = entries.get(entry.replace("-", "_"), attacked if under_attack else rate)
        draws = 1 if budget.through == "fixed" else suite.draws
        one = evaluation(entry, preset.name, drawn.uniform(size=(draws, n)) < right)
        if selection := suite.selection:
            hits = drawn.uniform(size=(selection, n)) < right
            margins = [round(float(margin), 2) for margin in hits.mean(axis=0) - 0.5]
            one["selection"] = {"predictions": answers(hits), "margins": margins}
        evaluations.append(one)
    words = {"suite": name, "target": suite.target, "victim": cell.target(suite.target).id}
    content = {
        **frame_of(cell, preset.name, suite.draws, n),
        **words,
        "evaluations": evaluations,
    }
    content |= {"selection": suite.selection} if suite.selection else {}
    write_json(where(results, preset.name, cell, name, suite.target), content)
    return cell
