"""Records and the paper's numbers become one long frame: a line per row and column of a table.

Paired comparisons are made in atop/results/pairs.py; what numbers are suspected of, in
atop/results/table_findings.py.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from atop.core import stats
from atop.core.values import Dict, number
from atop.experiment import config, paths
from atop.experiment.paper import numbers
from atop.experiment.tables import Column, Row, Table
from atop.reporting import attack_budgets
from atop.results import pairs, regime
from atop.results.checks.reading import read as read_entries
from atop.results.records import Records, correct, data, evaluation, lacking, read
from atop.results.table_findings import findings

Paper = dict[tuple[str, str], dict[str, str]]

# fmt: off
COLUMNS = [
    "preset", "target", "row", "labels", "control", "cell", "column", "column_label", "curve", "x",
    "attack", "budget", "metric", "measured", "low", "high", "draw_sd", "n", "draws", "seeds",
    "repeats", "paper", "paper_n", "paper_source", "difference", "difference_low",
    "difference_high", "verdict", "reason",
]
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """All that a rendered table says.

    Attributes:
        frame: COLUMNS, a line per row and column; accuracies in percent, differences (measured
            minus paper) in points. `paper` is text, as printed. `draw_sd` is the standard
            deviation, in points, of the accuracy of one draw over the draws. `repeats` names what
            an attack went on from without changing an outcome.
        pairs: pairs.COLUMNS, rows compared on the same examples.
        groups: rows without AToP, and whether a claim about AToP can be drawn from them.
        findings: `name`, `text` and the `rows` (keys) they were found in.
        deviations: the rows of deviations.yaml that touch the table.
        records: those that exist, by the path at which the workflow makes them.
    """

    table: Table
    frame: pd.DataFrame
    pairs: pd.DataFrame
    groups: list[regime.Group]
    findings: list[Dict]
    deviations: list[Dict]
    records: Records

    def record(self, row: str, column: str) -> Dict | None:
        """The record that a number comes from, by the keys of its row and column."""
        path = self.table.record(self.table.row(row), self.table.column(column))
        return self.records.get(path) if path else None


def aggregate(*, table: Table, results: Path | Records) -> Aggregate:
    """Collect a table under its preset from the records below `results`, or from those given.

    A cell without a record is no error: its line says which file is missing and how to make it.

    Raises:
        AtopError: a record that is broken or belongs to another cell; names file and key.
    """
    records = _records(table, results)
    paper = numbers(table.name)
    lines = [_line(table, row, column, records, paper) for row, column in table.numbers()]
    frame = pd.DataFrame(lines, columns=COLUMNS)
    compared = list(pairs.compare(table, records))
    groups = regime.groups(table, records)
    ledger = config.read("deviations")["deviations"]
    return Aggregate(
        table=table,
        frame=frame.astype(dict.fromkeys(("n", "draws", "seeds"), "Int64")),
        pairs=pd.DataFrame(compared, columns=pairs.COLUMNS),
        groups=groups,
        findings=[*findings(table, records, groups), *pairs.findings(compared)],
        deviations=[row for row in ledger if table.name in row["tables"]],
        records=records,
    )


def row_name(table: Table, row: Row) -> str:
    """A row in words, such as "RT1, AToP yes": its labels under the headings of the table."""
    first, *others = zip(table.spec["labels"], row.labels, strict=True)
    told = [f"{heading} {label}" for heading, label in others if label not in ("", "-")]
    return ", ".join([first[1], *told])


def _records(table: Table, results: Path | Records) -> Records:
    records: Records = {}
    for row, column in table.numbers():
        path, cell = table.record(row, column), table.cell(row, column)
        if path is None or cell is None or path in records:
            continue
        if isinstance(results, dict):
            records |= {path: results[path]} if path in results else {}
        elif (file := results / path.relative_to(paths.RESULTS)).exists():
            records[path] = read(file, cell=cell)
    return records


def _line(table: Table, row: Row, column: Column, records: Records, paper: Paper) -> Dict:
    printed = paper.get((row.key, column.key), {})
    cell, path = table.cell(row, column), table.record(row, column)
    record = records.get(path) if path else None
    run = attack_budgets.as_run(table, column, [record] if record else [])
    line: Dict = {
        "preset": table.preset,
        "target": column.target,
        "row": row.key,
        "labels": row_name(table, row),
        "control": row.control,
        "cell": cell.id if cell else "",
        "column": column.key,
        "column_label": column.label,
        "curve": column.curve,
        "x": _position(column, run),
        "attack": ";".join(column.entries),
        "budget": attack_budgets.of_column(table, column, run),
        "metric": column.metric,
        "repeats": _repeats(table, column, record) if record else "",
        "paper": printed.get("value", ""),
        "paper_n": printed.get("n", ""),
        "paper_source": printed.get("source", ""),
    }
    if record and not lacking(record, column):
        why_not = _incomparable(table, row, column, run, record)
        return line | _measured(record, column, printed, why_not)
    reason = table.obstacle(row, column) or table.lacks(row, column)
    reason = reason or _missing(path, record, column)
    return line | {"verdict": "cited" if row.cited and printed else "not run", "reason": reason}


def _position(column: Column, run: dict[str, Dict]) -> float | None:
    """Where a point lies on its curve, by its budget as run.

    Draws, steps, draws times steps, or radius in 255ths.
    """
    if not column.curve or not run:
        return None
    budget = next(iter(run.values()))
    if column.curve in ("eot", "steps"):
        return float(budget[column.curve])
    if column.curve == "joint":
        return float(budget["eot"] * budget["steps"])
    return 255 * number(budget["eps"])


def _measured(record: Dict, column: Column, printed: dict[str, str], why_not: str | None) -> Dict:
    outcomes = correct(record, column)
    measured = stats.accuracy(outcomes)
    line: Dict = {
        "measured": measured.value,
        "low": measured.low,
        "high": measured.high,
        "draw_sd": stats.draw_sd(outcomes),
        "n": record["n"],
        "draws": len((evaluation(record, column.entries[0]) or {})["predictions"]),
        "seeds": 1,
    }
    if not printed:
        return line | {"verdict": "not in the paper", "reason": ""}
    gap = stats.difference(measured, _theirs(printed))
    return line | {
        "difference": gap.value,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "verdict": stats.verdict(gap, comparable=why_not is None),
        "reason": why_not or "",
    }


def _repeats(table: Table, column: Column, record: Dict) -> str:
    """What the column's one attack went on from, if no outcome differs from that one's."""
    (found, *others) = [evaluation(record, entry) for entry in column.listed]
    if others or not found or "after" not in found["budget"]:
        return ""
    reading = read_entries(record)
    (entry,) = (one for one in reading.entries if one.name == found["attack"])
    before = reading.repeats(entry)
    return attack_budgets.name(table, before.name) if before else ""


def _theirs(printed: dict[str, str]) -> stats.Estimate:
    """A printed number with its sampling error, as far as it is known."""
    value = float(printed["value"])
    if not printed["n"]:
        return stats.exact(value)
    # Printed numbers are rounded: the count nearest to them carries their sampling error.
    n = int(printed["n"])
    return stats.wilson(successes=round(value * n / 100), n=n)._replace(value=value)


def _incomparable(
    table: Table, row: Row, column: Column, run: dict[str, Dict], record: Dict
) -> str | None:
    """Why a measured number must not be judged against the paper's; None if it may be."""
    named, cell = table.named(row, column), table.cell(row, column)
    assert named
    assert cell
    attacks = [budget for budget in run.values() if budget["method"] != "clean"]
    suite = config.suite(column.suite, table.preset)
    objections = {
        f"preset {table.preset}": not config.preset(table.preset).comparable,
        "the attack differentiates something else than the paper's": column.target != suite.target,
        "another network or dataset": (named.dataset, named.classifier)
        != (cell.dataset, cell.classifier),
        f"another initialisation ({cell.init})": named.init != cell.init,
        "nobody verified that the pictures are the published ones": data(record)["verified"]
        is None,
        "a worst case over fewer attacks": bool(column.left_out),
        "another budget": bool(attack_budgets.reduced(run.values(), table.preset))
        or not all(_fits(budget, column.paper) for budget in attacks),
    }
    return next((reason for reason, holds in objections.items() if holds), None)


def _fits(budget: Dict, paper: Dict) -> bool:
    return all(budget.get(key) == value for key, value in paper.items())


def _missing(path: Path | None, record: Dict | None, column: Column) -> str:
    command = f"snakemake --cores all --resources gpu=1 -- {path}"
    if record:
        return f"its record lacks {lacking(record, column)}: `rm {path}; {command}`"
    return f"no record yet; this makes it: `{command}`"
