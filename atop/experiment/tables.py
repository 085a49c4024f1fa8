"""Tables under a preset: rows, columns, and the record behind each number.

A row names a cell, a column names attacks of a suite; together they name a record.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.experiment import availability, config, paths
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.settings.attacks import parse_entry
from atop.experiment.settings.tables import ColumnSpec, Quotation, RowSpec, TableSpec
from atop.experiment.substitutes import substitute
from atop.experiment.targets import lacks_part


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table.

    Attributes:
        key: as in the paper's CSV.
        labels: one under each heading of the table.
        cell: fields of its cell that it names itself; None where nobody can run it.
        control: whether the paper lacks it; `extra`, and only --config extras=true shows it.
        cited: why nobody can run it.
        printed: numbers of the paper about the same defence.
    """

    key: str
    labels: tuple[str, ...]
    cell: Dict | None
    control: bool
    extra: bool
    cited: str | None
    printed: tuple[Quotation, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table under a preset.

    Attributes:
        key: as in the paper's CSV.
        entries: of its suite; of several, each example's worst counts.
        left_out: entries that the preset does not run.
        metric: over an example's draws (atop/core/stats.py).
        suite, target: the attacks that are run together, and what they differentiate.
        cell: fields of the cell in which it differs from the row.
        paper: the budget behind the paper's number.
        curve: the curve that it is a point of, if any: eot, steps, joint, eps or noise.
        drawn: whether a figure of bars shows it.
    """

    key: str
    label: str
    entries: tuple[str, ...]
    left_out: tuple[str, ...]
    metric: str
    suite: str
    target: str
    cell: Dict
    paper: Dict
    curve: str
    drawn: bool = True

    @property
    def listed(self) -> tuple[str, ...]:
        """All its entries, whether the preset runs them or not."""
        return self.entries + self.left_out


Keyed = TypeVar("Keyed", Row, Column)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table under a preset.

    Attributes:
        name: of its file.
        preset: of its cells.
        rows, columns: those that are shown.
        overrides: init, recipe or seed by the user, for all cells.
        spec: its file.
        files: folder of the user's data and weights.
    """

    name: str
    preset: Preset
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    overrides: Dict
    spec: TableSpec
    files: Path | None

    def row(self, key: str) -> Row:
        """The row with a key; AtopError names the known ones if there is none."""
        return _with_key(self.rows, key, f"{config.folder()}/tables/{self.name}.yaml: rows")

    def column(self, key: str) -> Column:
        """The column with a key; AtopError names the known ones if there is none."""
        return _with_key(self.columns, key, f"{config.folder()}/tables/{self.name}.yaml: columns")

    @property
    def pairs(self) -> list[list[str]]:
        """Pairs of keys of rows that are compared, if both rows are shown."""
        shown = {row.key for row in self.rows}
        return [pair for pair in self.spec.pairs if shown.issuperset(pair)]

    def numbers(self) -> Iterator[tuple[Row, Column]]:
        """All rows and columns, row by row."""
        return ((row, column) for row in self.rows for column in self.columns)

    def named(self, row: Row, column: Column | None = None) -> Cell | None:
        """The cell as the file names it, in a column or in general."""
        if row.cell is None:
            return None
        own = column.cell if column else {}
        return Cell(**{**self.spec.defaults.given(), **row.cell, **own})

    def cell(self, row: Row, column: Column | None = None) -> Cell | None:
        """The cell that runs, with the preset's substitutes and the user's overrides."""
        named = self.named(row, column)
        return named and substitute(named, self.preset, self.overrides)

    def substitutes(self, row: Row, column: Column | None = None) -> list[str]:
        """Classifiers and dataset that run in place of those that the file names."""
        named, cell = self.named(row, column), self.cell(row, column)
        if named is None or cell is None:
            return []
        keys = ("classifier", "trained_with", "dataset")
        pairs = ((getattr(cell, key), getattr(named, key)) for key in keys)
        return list(dict.fromkeys(runs for runs, name in pairs if runs and runs != name))

    def not_run(self, row: Row, column: Column) -> str | None:
        """The reason why the preset never has this number; None if it can have it."""
        named, cell = self.named(row, column), self.cell(row, column)
        if row.cited or named is None or cell is None:
            return row.cited
        if named.trained_with and not cell.trained_with:
            return f"not applicable: preset {self.preset} has one classifier for both"
        if row.key in self.left_out() or not column.entries:
            return f"preset {self.preset} leaves it out"
        return lacks_part(cell, column.entries, column.target, self.preset)

    def left_out(self) -> list[str]:
        """Keys of the rows that the preset does not run."""
        return self.preset.settings.leave_out.get(self.name, [])

    def record(self, row: Row, column: Column) -> Path | None:
        """The record of a number; None if the preset never has the number."""
        cell = self.cell(row, column)
        if cell is None or self.not_run(row, column):
            return None
        return paths.record(self.preset, cell, column.suite, column.target)

    def records(self) -> list[Path]:
        """All records that it needs and that can be made here, each once."""
        runnable: dict[Path, bool] = {}
        for row, column in self.numbers():
            if (path := self.record(row, column)) and path not in runnable:
                runnable[path] = self.missing(row, column) is None
        return [path for path, runs in runnable.items() if runs]

    def missing(self, row: Row, column: Column) -> str | None:
        """Downloads that a number needs and the preset does not make; None if nothing."""
        cell = self.cell(row, column)
        if cell is None or self.not_run(row, column):
            return None
        return availability.missing(cell, self.preset, self.files)

    def quoted(self) -> list[str]:
        """Tables of the paper whose numbers its rows quote, each once."""
        return list(dict.fromkeys(quote.table for row in self.rows for quote in row.printed))


def table(
    name: str,
    preset: Preset,
    *,
    target: str | None = None,
    extras: bool | None = False,
    files: str | Path | None = None,
    **overrides: Any,
) -> Table:
    """A table under a preset.

    Args:
        name: a file of workflow/config/tables.
        preset: of its cells.
        target: of all attacks, instead of the suites' own.
        extras: whether it has the rows beyond the paper's and the controls.
        files: folder of the user's data and weights.
        overrides: init, recipe or seed of all cells that are trained; None keeps the table's.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    built = of_spec(name, config.table(name), preset, target=target, extras=bool(extras))
    return replace(built, overrides=given, files=Path(files) if files else None)


def of_spec(
    name: str, spec: TableSpec, preset: Preset, *, target: str | None = None, extras: bool = False
) -> Table:
    """A table of a specification, without overrides."""
    return Table(
        name=name,
        preset=preset,
        rows=(
            *(_row(row) for row in spec.rows),
            *(_row(row, control=True) for row in spec.controls),
            *(_row(row, control=True, extra=True) for row in (spec.extras if extras else [])),
        ),
        columns=tuple(_column(column, spec, preset, target) for column in spec.columns),
        overrides={},
        spec=spec,
        files=None,
    )


def are_clean(entries: Iterable[str]) -> bool:
    """Whether all entries of a suite are clean images."""
    attacks = config.attacks().attacks
    names = (parse_entry(entry, "").attack for entry in entries)
    return all(name in attacks and attacks[name].clean for name in names)


def _with_key(among: tuple[Keyed, ...], key: str, where: str) -> Keyed:
    known = {each.key: each for each in among}
    if key not in known:
        raise AtopError(f"{where}: no '{key}'; known are {', '.join(known)}")
    return known[key]


def _row(spec: RowSpec, *, control: bool = False, extra: bool = False) -> Row:
    return Row(
        key=spec.key,
        labels=tuple(spec.labels),
        cell=spec.cell.fields if spec.cell else None,
        control=control,
        extra=extra,
        cited=spec.cited,
        printed=tuple(spec.printed),
    )


def _column(spec: ColumnSpec, table: TableSpec, preset: Preset, target: str | None) -> Column:
    name = spec.suite or table.suite
    suite = preset.suite(name)
    listed = spec.worst or [str(spec.attack)]
    run = [entry for entry in listed if entry in suite.attacks]
    # Without any of its attacks, the clean images are no worst case.
    if are_clean(run) and not are_clean(listed):
        run = []
    return Column(
        key=spec.key,
        label=spec.label,
        entries=tuple(run),
        left_out=tuple(entry for entry in listed if entry not in run),
        metric=spec.metric,
        suite=name,
        target=target or suite.target,
        cell=spec.cell.given() if spec.cell else {},
        paper=spec.paper,
        curve=spec.curve or "",
        drawn=spec.drawn,
    )
