"""Where no claim about AToP is drawn: its row without AToP leaves nothing to compare with.

A row without AToP is out of regime if it is no better on clean images than the same transform with
a purifier without weights (the controls), or if no attack of the table takes much from it. AToP can
then raise its accuracy by repairing what was lost before any attack.
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

Found = list[tuple[Row, Column, Path]]

POINTS = 10.0
"""So much an attack has to take from the row without AToP, or there is nothing to defend."""

WITHOUT = ("none", "continued")
"""What AToP is compared with: L_org, and as much more of it."""

SWEEPS = ("eps", "noise")
"""Curves over the radius, of which the largest break anything."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """A row without AToP, and the rows that claim something over it.

    Attributes:
        cell: of the row without AToP.
        label: its transform, with what tells it from other groups of the table.
        reasons: why no claim is drawn; empty where nothing that was measured speaks against it.
        paths: its records, and those of the row with AToP.
    """

    cell: Cell
    label: str
    reasons: tuple[str, ...]
    paths: tuple[Path, ...]

    def claims(self, cell: Cell) -> bool:
        """Whether a cell is the one with AToP."""
        return cell == replace(self.cell, finetune="adversarial")


def groups(table: Table, records: Records) -> list[Group]:
    """All rows without AToP that a table has records of, in its order."""
    found: dict[Cell, Found] = defaultdict(list)
    for row, column in table.numbers():
        path, cell = table.record(row, column), table.cell(row, column)
        if path in records and path and cell and cell.ablation == "none":
            found[cell].append((row, column, path))
    bases = [cell for cell in found if cell.purifies and cell.finetune == "none"]
    return [
        Group(
            cell=base,
            label=_label(base, bases),
            reasons=(*_no_better(base, found, records), *_not_attacked(found[base], records)),
            paths=tuple(_paths(found[base]) + _paths(found[replace(base, finetune="adversarial")])),
        )
        for base in bases
    ]


def sentence(found: list[Group]) -> str:
    """What stands over a table: the groups of which no claim is drawn; empty if there are none."""
    labels = _labels(found)
    if not labels:
        return ""
    return f"No claim about AToP is drawn for {', '.join(labels)}: not in regime (see findings)."


def compares(found: list[Group], first: Cell | None, second: Cell | None) -> bool:
    """Whether two cells are one with AToP and one without, of a group that is out of regime."""
    if first is None or second is None:
        return False
    return any(
        group.reasons
        and any(group.claims(one) for one in (first, second))
        and any(replace(group.cell, finetune=name) in (first, second) for name in WITHOUT)
        for group in found
    )


def _labels(found: list[Group]) -> list[str]:
    """Of those out of regime: a transform by itself where all groups that have it are."""
    labels: dict[str, None] = {}
    for group in (group for group in found if group.reasons):
        alike = [one for one in found if one.cell.transform == group.cell.transform]
        whole = all(one.reasons for one in alike)
        labels[_named(group.cell.transform) if whole else group.label] = None
    return list(labels)


def _label(cell: Cell, among: list[Cell]) -> str:
    """A transform, with the words of the cell that others with the same transform do not share."""
    others = [one for one in among if one.transform == cell.transform]
    words = {
        "dataset": cell.dataset,
        "classifier": cell.classifier,
        "purifier": cell.purifier,
        "seed": f"seed {cell.seed}",
    }
    telling = [word for key, word in words.items() if len({getattr(o, key) for o in others}) > 1]
    return _named(cell.transform) + (f" ({', '.join(telling)})" if telling else "")


def _named(transform: str) -> str:
    return transform.upper() if transform.startswith("rt") else transform


def _no_better(base: Cell, found: dict[Cell, Found], records: Records) -> Iterator[str]:
    """On clean images it is not clearly above the same transform with a control in g's place."""
    for control in (cell for cell in found if _controls(cell, base)):
        name = found[control][0][0].labels[0]
        for own, other in _same_examples(_paths(found[base]), _paths(found[control]), records):
            first, second = _cleans(own)[0], _cleans(other)[0]
            gap = stats.paired(first.correct, second.correct)
            if gap.low <= 0:
                yield (
                    f"not clearly better on clean images ({first.accuracy:.1f}%) than {name} "
                    f"({second.accuracy:.1f}%): {_points(gap, '+')}, n = {own['n']}"
                )
                break


def _controls(cell: Cell, base: Cell) -> bool:
    """Whether a cell is a control of a row without AToP; it has no weights, and so no seed."""
    keys = ("dataset", "classifier", "transform", "finetune")
    alike = all(getattr(cell, key) == getattr(base, key) for key in keys)
    return alike and not cell.purifies


def _same_examples(
    paths: list[Path], others: list[Path], records: Records
) -> Iterator[tuple[Dict, Dict]]:
    """Records of two cells under the same suite, on the same examples, clean ones among them."""
    keys = ("suite", "target", "indices", "labels")
    for path in paths:
        for other in others:
            two = records[path], records[other]
            if all(two[0][key] == two[1][key] for key in keys) and all(map(_cleans, two)):
                yield two


def _cleans(record: Dict) -> list[Entry]:
    """Clean images among the entries of a record, perhaps at several sizes."""
    return [one for one in read(record).entries if one.budget["method"] == "clean"]


def _not_attacked(where: Found, records: Records) -> Iterator[str]:
    """No attack of the table takes enough from it."""
    taken = []
    for _, column, path in where:
        record = records[path]
        if column.metric != "mean" or column.curve in SWEEPS or lacking(record, column):
            continue
        if start := _start(record, column):
            outcomes = correct(record, column)
            drop = 100 * float(start.correct.mean() - outcomes.mean())
            taken.append((drop, column.label, start.correct, outcomes, record["n"]))
    if not taken:
        return
    drop, label, clean, outcomes, n = max(taken, key=lambda one: one[0])
    if round(drop, 6) < POINTS:  # ten points are ten, whatever a mean of floats makes of them
        gap = _points(stats.paired(clean, outcomes))
        yield f"no attack takes {POINTS:g} points from it: {label} takes most, {gap}, n = {n}"


def _start(record: Dict, column: Column) -> Entry | None:
    """Clean images of the size at which a column's attacks work; None if it has no attacks."""
    entries, clean = read(record).entries, _cleans(record)
    attacks = [one for one in entries if one.name in column.entries and one.attacks]
    sizes = {one.budget.get("pixels") for one in attacks}
    alike = [one for one in clean if one.budget.get("pixels") in sizes]
    return next(iter([*alike, *clean]), None) if attacks else None


def _paths(where: Found) -> list[Path]:
    return list(dict.fromkeys(path for _, _, path in where))


def _points(gap: stats.Paired, sign: str = "") -> str:
    """A difference with its interval; `sign` "+" says its sign if it is positive too."""
    text = f"{gap.value:{sign}.1f} points [{gap.low:.1f}, {gap.high:.1f}]"
    return text.replace("-", "\N{MINUS SIGN}")
