"""Tables under a preset: rows, columns, and the record that each number comes from.

A row names a cell, a column names attacks of a suite; together they name a record.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.experiment import availability, config, paths
from atop.experiment.cells import Cell
from atop.experiment.substitutes import stand_in


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table.

    Attributes:
        key: as in the paper's CSV.
        labels: one under each heading of the table.
        cell: the words of its cell that it names itself; None where nobody can run it.
        control: whether the paper lacks it; `extra`, and only --config extras=true shows it.
        cited: why nobody can run it.
        printed: numbers of the paper about the same defence, as table, row and column.
    """

    key: str
    labels: tuple[str, ...]
    cell: Dict | None
    control: bool
    extra: bool
    cited: str | None
    printed: tuple[Dict, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table under a preset.

    Attributes:
        key: as in the paper's CSV.
        entries: of its suite; of more than one, each example's worst counts.
        left_out: entries that the preset does not run.
        metric: what counts of an example's draws (stats.correct).
        suite, target: the attacks that are run together, and what they differentiate.
        cell: words of the cell in which it differs from the row.
        paper: the budget behind the paper's number.
        curve: of which it is a point, if of any: eot, steps, joint, eps or noise.
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
    """A table under a preset, with a user's words (init, recipe, seed) for its cells.

    `spec` is the file as it stands, `files` a folder where the user has data and weights.
    """

    name: str
    preset: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    words: Dict
    spec: Dict
    files: Path | None

    def row(self, key: str) -> Row:
        """The row with a key; AtopError names the known ones if there is none."""
        return _with_key(self.rows, key, f"{config.folder()}/tables/{self.name}.yaml: rows")

    def column(self, key: str) -> Column:
        """The column with a key; AtopError names the known ones if there is none."""
        return _with_key(self.columns, key, f"{config.folder()}/tables/{self.name}.yaml: columns")

    @property
    def pairs(self) -> list[list[str]]:
        """Pairs of keys of rows that are compared, as far as both are shown."""
        shown = {row.key for row in self.rows}
        return [pair for pair in self.spec.get("pairs", []) if shown.issuperset(pair)]

    def numbers(self) -> Iterator[tuple[Row, Column]]:
        """All rows and columns, row by row."""
        return ((row, column) for row in self.rows for column in self.columns)

    def named(self, row: Row, column: Column | None = None) -> Cell | None:
        """The cell as the file names it, in a column or in general."""
        if row.cell is None:
            return None
        return Cell(**{**self.spec["defaults"], **row.cell, **(column.cell if column else {})})

    def cell(self, row: Row, column: Column | None = None) -> Cell | None:
        """The cell that is run: with the preset's stand-ins and the user's words."""
        named = self.named(row, column)
        return named and stand_in(named, self.preset, self.words)

    def stand_ins(self, row: Row) -> list[str]:
        """Networks and data that run in place of those that a row names."""
        named, cell = self.named(row), self.cell(row)
        if named is None or cell is None:
            return []
        pairs = ((cell.classifier, named.classifier), (cell.dataset, named.dataset))
        return [runs for runs, meant in pairs if runs != meant]

    def obstacle(self, row: Row, column: Column) -> str | None:
        """Why this preset has no number here, whatever is run; None if it can have one."""
        cell = self.cell(row, column)
        if row.cited or cell is None:
            return row.cited
        left_out = row.key in self.left_out() or not column.entries
        return f"preset {self.preset} leaves it out" if left_out else None

    def left_out(self) -> list[str]:
        """Keys of the rows that the preset does not run."""
        return config.preset(self.preset).leave_out.get(self.name, [])

    def record(self, row: Row, column: Column) -> Path | None:
        """Where the record of a number lies; None if the preset cannot have the number."""
        cell = self.cell(row, column)
        if cell is None or self.obstacle(row, column):
            return None
        return paths.record(self.preset, cell, column.suite, column.target)

    def records(self) -> list[Path]:
        """All records that it needs and that can be made here, each once."""
        found = {}
        for row, column in self.numbers():
            if (path := self.record(row, column)) and path not in found:
                found[path] = self.lacks(row, column) is None
        return [path for path, here in found.items() if here]

    def lacks(self, row: Row, column: Column) -> str | None:
        """What a number needs that the preset does not fetch; None if nothing."""
        cell = self.cell(row, column)
        if cell is None or self.obstacle(row, column):
            return None
        return availability.lacks(cell, self.preset, self.files)

    def quoted(self) -> list[str]:
        """Tables of the paper whose numbers its rows quote, each once."""
        return list(dict.fromkeys(one["table"] for row in self.rows for one in row.printed))


def table(
    name: str,
    preset_name: str,
    *,
    target: str | None = None,
    extras: bool | None = False,
    files: str | Path | None = None,
    **words: Any,
) -> Table:
    """A table under a preset.

    Args:
        name: a file of workflow/config/tables.
        preset_name: a file of workflow/config/presets.
        target: what attacks differentiate, instead of what their suites say.
        extras: whether rows count that it has beyond the paper's and the controls.
        files: a folder where the user has data and weights.
        words: init, recipe or seed of all cells that are trained, instead of the table's; None
            leaves the table's.
    """
    spec = config.read(f"tables/{name}", "table")
    parts = ("rows", "controls", *(["extras"] if extras else []))
    return Table(
        name=name,
        preset=preset_name,
        rows=tuple(_row(one, part) for part in parts for one in spec.get(part, [])),
        columns=tuple(_column(one, spec, preset_name, target) for one in spec["columns"]),
        words={key: word for key, word in words.items() if word is not None},
        spec=spec,
        files=Path(files) if files else None,
    )


def are_clean(entries: Iterable[str]) -> bool:
    """Whether all entries of a suite are clean pictures."""
    rows = config.read("attacks")["attacks"]
    names = (config.entry(entry, "")[0] for entry in entries)
    return all(rows.get(name, {}).get("method") == "clean" for name in names)


def _with_key(among: tuple[Keyed, ...], key: str, where: str) -> Keyed:
    known = {one.key: one for one in among}
    if key not in known:
        raise AtopError(f"{where}: no '{key}'; known are {', '.join(known)}")
    return known[key]


def _row(spec: Dict, part: str) -> Row:
    return Row(
        key=spec["key"],
        labels=tuple(spec["labels"]),
        cell=spec.get("cell"),
        control=part != "rows",
        extra=part == "extras",
        cited=spec.get("cited"),
        printed=tuple(spec.get("printed", [])),
    )


def _column(spec: Dict, table: Dict, preset_name: str, target: str | None) -> Column:
    name: str = spec.get("suite") or table["suite"]
    suite = config.suite(name, preset_name)
    listed = spec.get("worst") or [spec["attack"]]
    run = [entry for entry in listed if entry in suite.attacks]
    # Without any of its attacks, the clean pictures are no worst case.
    if are_clean(run) and not are_clean(listed):
        run = []
    return Column(
        key=spec["key"],
        label=spec["label"],
        entries=tuple(run),
        left_out=tuple(entry for entry in listed if entry not in run),
        metric=spec.get("metric", "mean"),
        suite=name,
        target=target or suite.target,
        cell=spec.get("cell", {}),
        paper=spec.get("paper", {}),
        curve=spec.get("curve", ""),
        drawn=spec.get("drawn", True),
    )
