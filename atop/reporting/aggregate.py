"""Join records and the paper's numbers in one frame: a line per row and column of a table.

atop/results/pairs.py compares rows; atop/results/table_findings.py checks the records.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from atop.core import stats
from atop.core.values import Dict, number
from atop.experiment import config, paths
from atop.experiment.paper import numbers
from atop.experiment.settings.attacks import AttackSpec
from atop.experiment.settings.deviations import Deviation
from atop.experiment.tables import Column, Row, Table
from atop.reporting import attack_budgets
from atop.reporting.commands import snakemake
from atop.results import pairs, regime
from atop.results.checks.reading import read as read_entries
from atop.results.records import Records, correct, data, entries, evaluation, lacking, read
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
    """Everything that a rendered table shows.

    Attributes:
        frame: COLUMNS, a line per row and column; accuracies in percent, differences (measured
            minus paper) in points. `paper` is text, as printed. `draw_sd` is the standard
            deviation of the accuracy of single draws, in points. `repeats` names the attack that
            this attack started from, if no outcome differs from that attack's.
        pairs: pairs.COLUMNS, rows compared on the same examples.
        groups: rows without AToP, with the reasons against a claim about AToP.
        findings: `name`, `text` and `rows` (keys) of each finding.
        deviations: the rows of deviations.yaml that concern the table.
        records: the records that exist, by the path at which the workflow writes them.
    """

    table: Table
    frame: pd.DataFrame
    pairs: pd.DataFrame
    groups: list[regime.Group]
    findings: list[Dict]
    deviations: list[Deviation]
    records: Records

    def record(self, row: str, column: str) -> Dict | None:
        """Return the record behind a number, by the keys of its row and column."""
        path = self.table.record(self.table.row(row), self.table.column(column))
        return self.records.get(path) if path else None


def aggregate(*, table: Table, results: Path | Records) -> Aggregate:
    """Collect a table under its preset from a folder of results or from records.

    A missing record is no error: the line names the file and the command that writes it.

    Raises:
        AtopError: a record is broken or belongs to another cell; names file and key.
    """
    records = _records(table, results)
    paper = numbers(table.name)
    lines = [_line(table, row, column, records, paper) for row, column in table.numbers()]
    frame = pd.DataFrame(lines, columns=COLUMNS)
    compared = list(pairs.compare(table, records))
    groups = regime.groups(table, records)
    deviations = config.deviations()
    return Aggregate(
        table=table,
        frame=frame.astype(dict.fromkeys(("n", "draws", "seeds"), "Int64")),
        pairs=pd.DataFrame(compared, columns=pairs.COLUMNS),
        groups=groups,
        findings=[*findings(table, records, groups), *pairs.findings(compared)],
        deviations=[row for row in deviations if table.name in row.tables],
        records=records,
    )


def row_name(table: Table, row: Row) -> str:
    """Return the labels of a row with their headings, such as "RT1, AToP yes"."""
    (_, name), *others = zip(table.spec.labels, row.labels, strict=True)
    return ", ".join(
        [name, *(f"{heading} {label}" for heading, label in others if label not in ("", "-"))]
    )


def _records(table: Table, results: Path | Records) -> Records:
    cells = {
        path: cell
        for row, column in table.numbers()
        if (path := table.record(row, column)) and (cell := table.cell(row, column))
    }
    if isinstance(results, dict):
        return {path: results[path] for path in cells if path in results}
    files = {path: results / path.relative_to(paths.RESULTS) for path in cells}
    return {path: read(file, cell=cells[path]) for path, file in files.items() if file.exists()}


def _line(table: Table, row: Row, column: Column, records: Records, paper: Paper) -> Dict:
    printed = paper.get((row.key, column.key), {})
    cell, path = table.cell(row, column), table.record(row, column)
    record = records.get(path) if path else None
    budgets = attack_budgets.as_run(table, column, [record] if record else [])
    line: Dict = {
        "preset": table.preset.name,
        "target": column.target,
        "row": row.key,
        "labels": row_name(table, row),
        "control": row.control,
        "cell": cell.id if cell else "",
        "column": column.key,
        "column_label": column.label,
        "curve": column.curve,
        "x": _position(column, budgets),
        "attack": ";".join(column.entries),
        "budget": attack_budgets.column_text(table, column, budgets),
        "metric": column.metric,
        "repeats": _repeats(table, column, record) if record else "",
        "paper": printed.get("value", ""),
        "paper_n": printed.get("n", ""),
        "paper_source": printed.get("source", ""),
    }
    if record and not lacking(record, column):
        objection = _objection(table, row, column, budgets, record)
        return line | _measured(record, column, printed, objection)
    reason = table.not_run(row, column) or table.missing(row, column)
    reason = reason or _missing(table, path, record, column)
    known = printed or any(quotation.column == column.key for quotation in row.printed)
    return line | {"verdict": "cited" if row.cited and known else "not run", "reason": reason}


def _position(column: Column, budgets: dict[str, AttackSpec]) -> float | None:
    """Return where a point lies on its curve: draws, steps, their product or radius * 255."""
    if not column.curve or not budgets:
        return None
    budget = next(iter(budgets.values()))
    if column.curve in ("eot", "steps"):
        return float(getattr(budget, column.curve))
    if column.curve == "joint":
        return float((budget.eot or 1) * (budget.steps or 0))
    return 255 * number(str(budget.eps))


def _measured(record: Dict, column: Column, printed: dict[str, str], objection: str) -> Dict:
    outcomes = correct(record, column)
    measured = stats.accuracy(outcomes)
    line: Dict = {
        "measured": measured.value,
        "low": measured.low,
        "high": measured.high,
        "draw_sd": stats.draw_sd(outcomes),
        "n": record["n"],
        "draws": len((evaluation(record, entries(record, column)[0]) or {})["predictions"]),
        "seeds": 1,
    }
    if not printed:
        return line | {"verdict": "not in the paper", "reason": ""}
    gap = stats.difference(measured, _printed_estimate(printed))
    return line | {
        "difference": gap.value,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "verdict": stats.verdict(gap, comparable=not objection),
        "reason": objection,
    }


def _repeats(table: Table, column: Column, record: Dict) -> str:
    """Return the attack that a column's only attack started from, if no outcome changed."""
    evaluated, *others = [evaluation(record, entry) for entry in column.listed]
    if others or not evaluated or "after" not in evaluated["budget"]:
        return ""
    reading = read_entries(record)
    (entry,) = (entry for entry in reading.entries if entry.name == evaluated["attack"])
    before = reading.repeats(entry)
    return attack_budgets.label(table, before.name) if before else ""


def _printed_estimate(printed: dict[str, str]) -> stats.Estimate:
    """Return a printed number with its sampling error, if its n is known."""
    value = float(printed["value"])
    if not printed["n"]:
        return stats.exact(value)
    # Printed numbers are rounded: the nearest possible count gives their sampling error.
    n = int(printed["n"])
    return stats.wilson(successes=round(value * n / 100), n=n)._replace(value=value)


def _objection(
    table: Table, row: Row, column: Column, budgets: dict[str, AttackSpec], record: Dict
) -> str:
    """Return why a measured number is not comparable with the paper's; empty if it is."""
    named, cell = table.named(row, column), table.cell(row, column)
    assert named
    assert cell
    attacks = [budget.given() for budget in budgets.values() if not budget.clean]
    objections = {
        f"preset {table.preset}": not table.preset.settings.comparable,
        "another target than the paper's": column.target != config.suite(column.suite).target,
        "another network or dataset": bool(table.substitutes(row, column)),
        f"another initialisation ({cell.init})": named.init != cell.init,
        "nobody verified that these are the published images": data(record)["verified"] is None,
        "a worst case over fewer attacks": bool(column.left_out),
        "another budget": bool(attack_budgets.reduced(budgets.values(), table.preset))
        or any(budget.get(key) != column.paper[key] for budget in attacks for key in column.paper),
    }
    return next((reason for reason, holds in objections.items() if holds), "")


def _missing(table: Table, path: Path | None, record: Dict | None, column: Column) -> str:
    command = snakemake(table.preset, path)
    if record:
        return f"its record lacks {lacking(record, column)}: `rm {path}; {command}`"
    return f"no record yet; this command makes it: `{command}`"
