"""Released records: results/released/TABLE.jsonl, a record a line, from which tables render."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.files import writing
from atop.core.values import Dict
from atop.experiment import config, paths, tables
from atop.experiment.cells import Cell
from atop.experiment.tables import Table
from atop.results import records
from atop.results.records import Records

FOLDER = paths.RESULTS / "released"


def file(table: str) -> Path:
    """Where the released records of a table lie."""
    return FOLDER / f"{table}.jsonl"


def read(path: Path) -> Records:
    """The records of a file, by the paths at which the workflow makes them.

    Raises:
        AtopError: a line that is no record, or a record twice; names file, line and key.
    """
    found: Records = {}
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise AtopError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        try:
            record = records.check(json.loads(line), where=where)
            made = place(record)
        except ValueError as error:
            raise AtopError(f"{where}: not JSON ({error})") from error
        if record["preset"] not in config.presets():
            raise AtopError(f"{where}: preset: no '{record['preset']}'")
        if made in found:
            raise AtopError(f"{where}: {made} a second time")
        found[made] = record
    return found


def write(path: Path, content: Records) -> None:
    """Write records as JSON lines, those of preset `paper` first and of `smoke` last."""
    ordered = sorted(content.items(), key=lambda one: (_rank(one[1]["preset"]), str(one[0])))
    with writing(path) as temporary:
        lines = (json.dumps(record, separators=(",", ":")) + "\n" for _, record in ordered)
        temporary.write_text("".join(lines))


def place(record: Dict) -> Path:
    """Where the workflow makes a record."""
    return paths.record(record["preset"], cell(record), record["suite"], record["target"])


def cell(record: Dict) -> Cell:
    """The cell that a record is of; AtopError if its id is not what its words say."""
    words = {name: word for name, word in record["cell"].items() if name != "id"}
    found = Cell(**words)
    if found.id != record["cell"]["id"]:
        raise AtopError(f"cell {record['cell']['id']}: its words say {found.id}")
    return found


def release(table: Table, results: Path, path: Path) -> tuple[int, list[Path]]:
    """Put all records of a table that were made into its file, in place of older ones.

    Returns:
        How many were put there, and which the table lacks.
    """
    content = read(path) if path.exists() else {}
    wanted, missing, new = _records_of(table), [], 0
    for one, of in wanted.items():
        made = results / one.relative_to(paths.RESULTS)
        if made.exists():
            content[one] = records.read(made, cell=of)
            new += 1
        else:
            missing.append(one)
    if not new:
        raise AtopError(f"{results}: no record of {table.name} under preset {table.preset}")
    write(path, content)
    return new, missing


def sections(name: str, content: Records) -> list[Table]:
    """A table under each preset, and each init and recipe, that some of its records were made with.

    Rows that only --config extras=true shows, or that the preset leaves out, are there as far as
    there are records of them. Without records it is that of preset `paper`.
    """
    found = []
    for preset in sorted({one["preset"] for one in content.values()}, key=_rank):
        left = {path for path, one in content.items() if one["preset"] == preset}
        tried = _choices(name, preset, [content[path] for path in left])
        choices = [(one, _records_of(one).keys()) for one in tried]
        while left:
            # Of equals the first, which says the least.
            best, asked = max(choices, key=lambda choice: len(left & choice[1]))
            if not left & asked:
                break  # no row asks for these; `verify` says so
            found.append(_shown(best, content))
            left -= asked
    return found or [tables.table(name, "paper")]


def strangers(name: str, content: Records) -> list[Path]:
    """Records for which a table has no row."""
    asked = {path for table in sections(name, content) for path in _records_of(table)}
    return [path for path in content if path not in asked]


def _choices(name: str, preset: str, content: list[Dict]) -> Iterable[Table]:
    """The table with the words that the records' cells may have come of."""
    trained = [one["cell"] for one in content if not cell(one).undefended]
    inits = sorted({one["init"] for one in trained} & _inits(preset, trained))
    for recipe in [None, *sorted({one["recipe"] for one in trained})]:
        for init in [None, *inits]:
            yield tables.table(name, preset, extras=True, init=init, recipe=recipe)


def _inits(preset: str, cells: list[Dict]) -> set[str]:
    """Inits that a user can name."""
    return set().union(*(config.inits(one["purifier"], preset) for one in cells))


def _records_of(table: Table) -> dict[Path, Cell]:
    """All records that a table can show, with their cells."""
    found = {}
    for row, column in table.numbers():
        path, of = table.record(row, column), table.cell(row, column)
        if path and of:
            found[path] = of
    return found


def _shown(table: Table, content: Records) -> Table:
    """A table without the rows of no record that are extra, or that its preset leaves out."""
    left_out = table.left_out()

    def shown(row: tables.Row) -> bool:
        there = any(table.record(row, column) in content for column in table.columns)
        return there or not (row.extra or row.key in left_out)

    return replace(table, rows=tuple(row for row in table.rows if shown(row)))


def _rank(preset: str) -> tuple[bool, bool, str]:
    """Preset `paper` first, `smoke` last, the others by name."""
    return preset != "paper", preset == "smoke", preset
