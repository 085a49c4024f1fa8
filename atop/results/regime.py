"""Rows without AToP that leave nothing to compare AToP with, so that no claim is drawn.

Such a row is out of regime if it is no better on clean images than its controls (the same transform
with a purifier without weights), or if no attack of the table lowers its accuracy much. AToP can
then raise accuracy by repairing what was lost before any attack.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from atop.core import stats
from atop.core.values import Dict
from atop.experiment.cells import Cell
from atop.experiment.tables import Column, Row, Table
from atop.results.checks.reading import Entry, read
from atop.results.records import Records, correct, lacking

Numbers = list[tuple[Row, Column, Path]]
"""Numbers of a table, with the paths of their records."""

POINTS = 10.0
"""Points by which some attack must lower the accuracy of a row without AToP."""

WITHOUT = ("none", "continued")
"""Fine-tuning that AToP is compared with: L_org alone, and as many more steps of it."""

SWEEPS = ("eps", "noise")
"""Curves over the radius; their largest radii break any defence."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """A row without AToP, and the rows that claim something over it.

    Attributes:
        cell: of the row without AToP.
        label: its transform, and where it differs from other groups with this transform.
        reasons: why no claim is drawn; empty where no measurement speaks against one.
        paths: its records, and those of the row with AToP.
    """

    cell: Cell
    label: str
    reasons: tuple[str, ...]
    paths: tuple[Path, ...]

    def claims(self, cell: Cell) -> bool:
        """Return whether a cell is the group's cell with AToP, whatever its g was trained with."""
        return replace(cell, trained_with="") == replace(self.cell, finetune="adversarial")


def groups(table: Table, records: Records) -> list[Group]:
    """Return all rows without AToP of which a table has records, in the table's order."""
    numbers: dict[Cell, Numbers] = defaultdict(list)
    for row, column in table.numbers():
        path, cell = table.record(row, column), table.cell(row, column)
        if path in records and path and cell and cell.ablation == "none":
            numbers[cell].append((row, column, path))
    bases = [cell for cell in numbers if cell.purifies and cell.finetune == "none"]
    return [
        Group(
            cell=base,
            label=_label(base, bases),
            reasons=(*_no_better(base, numbers, records), *_not_attacked(numbers[base], records)),
            paths=(*_paths(numbers[base]), *_paths(numbers[replace(base, finetune="adversarial")])),
        )
        for base in bases
    ]


def sentence(groups: list[Group]) -> str:
    """Return the sentence above a table that names groups out of regime; empty without any.

    A transform stands for all its groups where all are out of regime.
    """
    labels: dict[str, None] = {}
    for group in (group for group in groups if group.reasons):
        alike = [other for other in groups if other.cell.transform == group.cell.transform]
        all_out = all(other.reasons for other in alike)
        labels[_transform(group.cell) if all_out else group.label] = None
    if not labels:
        return ""
    return f"No claim about AToP is drawn for {', '.join(labels)}: not in regime (see findings)."


def compares(groups: list[Group], first: Cell | None, second: Cell | None) -> bool:
    """Return whether two cells, with and without AToP, are of a group that is out of regime."""
    if first is None or second is None:
        return False
    return any(
        group.reasons
        and (group.claims(first) or group.claims(second))
        and any(replace(group.cell, finetune=name) in (first, second) for name in WITHOUT)
        for group in groups
    )


def _label(cell: Cell, bases: list[Cell]) -> str:
    """The transform, and what differs between the cells with this transform."""
    alike = [base for base in bases if base.transform == cell.transform]
    parts = {name: getattr(cell, name) for name in ("dataset", "classifier", "purifier")}
    parts["seed"] = f"seed {cell.seed}"
    differing = [
        text for name, text in parts.items() if len({getattr(base, name) for base in alike}) > 1
    ]
    return _transform(cell) + (f" ({', '.join(differing)})" if differing else "")


def _transform(cell: Cell) -> str:
    return cell.transform.upper() if cell.transform.startswith("rt") else cell.transform


def _no_better(base: Cell, numbers: dict[Cell, Numbers], records: Records) -> Iterator[str]:
    """Controls over which the row is not clearly better on clean images."""
    # A control has no weights, and so no seed.
    keys = ("dataset", "classifier", "transform", "finetune")
    for control in (cell for cell in numbers if not cell.purifies):
        if any(getattr(control, key) != getattr(base, key) for key in keys):
            continue
        name = numbers[control][0][0].labels[0]
        pairs = _same_examples(_paths(numbers[base]), _paths(numbers[control]), records)
        for record, control_record in pairs:
            own, other = _cleans(record)[0], _cleans(control_record)[0]
            gap = stats.paired(own.correct, other.correct)
            if gap.low <= 0:
                yield (
                    f"not clearly better on clean images ({own.accuracy:.1f}%) than {name} "
                    f"({other.accuracy:.1f}%): {_points(gap, '+')}, n = {record['n']}"
                )
                break


def _same_examples(
    paths: list[Path], others: list[Path], records: Records
) -> Iterator[tuple[Dict, Dict]]:
    """Pairs of records under the same suite, on the same examples, clean images among them."""
    keys = ("suite", "target", "indices", "labels")
    for first, second in ((records[path], records[other]) for path in paths for other in others):
        if all(first[key] == second[key] for key in keys) and _cleans(first) and _cleans(second):
            yield first, second


def _cleans(record: Dict) -> list[Entry]:
    """Entries of a record that are clean images, perhaps at several sizes."""
    return [entry for entry in read(record).entries if entry.clean]


def _not_attacked(numbers: Numbers, records: Records) -> Iterator[str]:
    """A reason if no attack of the table lowers accuracy by POINTS."""
    drops = []
    for _, column, path in numbers:
        record = records[path]
        if column.metric != "mean" or column.curve in SWEEPS or lacking(record, column):
            continue
        if start := _start(record, column):
            outcomes = correct(record, column)
            drop = 100 * float(start.correct.mean() - outcomes.mean())
            drops.append((drop, column.label, start.correct, outcomes, record["n"]))
    if not drops:
        return
    drop, label, clean, outcomes, n = max(drops, key=lambda attack: attack[0])
    if round(drop, 6) < POINTS:  # a mean of floats may miss ten points by rounding
        gap = _points(stats.paired(clean, outcomes))
        yield (
            f"no attack lowers its accuracy by {POINTS:g} points: "
            f"{label} lowers it most, by {gap}, n = {n}"
        )


def _start(record: Dict, column: Column) -> Entry | None:
    """Clean images of the size at which a column's attacks work; None if it has no attacks."""
    entries, cleans = read(record).entries, _cleans(record)
    attacks = [entry for entry in entries if entry.name in column.entries and entry.attacks]
    sizes = {entry.budget.get("pixels") for entry in attacks}
    same_size = [entry for entry in cleans if entry.budget.get("pixels") in sizes]
    return next(iter([*same_size, *cleans]), None) if attacks else None


def _paths(numbers: Numbers) -> list[Path]:
    return list(dict.fromkeys(path for _, _, path in numbers))


def _points(gap: stats.Paired, sign: str = "") -> str:
    """A difference with its interval; `sign` "+" also writes the sign of a positive one."""
    text = f"{gap.value:{sign}.1f} points [{gap.low:.1f}, {gap.high:.1f}]"
    return text.replace("-", "\N{MINUS SIGN}")
