"""Released records, from which tables render: results/released/TABLE.jsonl, a record per line."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.files import provided, writing
from atop.core.values import Dict
from atop.experiment import config, paths, presets, tables
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.tables import Table
from atop.results import records
from atop.results.records import Records

FOLDER = paths.RESULTS / "released"


def file(table: str) -> Path:
    """Return the path of a table's released records: the user's file, or the suite's."""
    return provided(FOLDER / f"{table}.jsonl")


def files() -> list[Path]:
    """Return the paths of the released records of all tables that have some."""
    return [path for path in map(file, config.tables()) if path.exists()]


def read(path: Path) -> Records:
    """Load the records of a file, by the paths that the workflow gives them.

    Raises:
        AtopError: a line that is no record, or a record twice; names file, line and key.
    """
    content: Records = {}
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise AtopError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        try:
            record = records.check(json.loads(line), where=where)
        except ValueError as error:
            raise AtopError(f"{where}: not JSON ({error})") from error
        if record["preset"] not in presets.names():
            raise AtopError(f"{where}: preset: no '{record['preset']}'")
        key = record_path(record)
        if key in content:
            raise AtopError(f"{where}: {key} a second time")
        content[key] = record
    return content


def write(path: Path, content: Records) -> None:
    """Write records as JSON lines, those of comparable presets first."""
    ordered = sorted(content, key=lambda key: (_rank(content[key]["preset"]), str(key)))
    with writing(path) as temporary:
        lines = (json.dumps(content[key], separators=(",", ":")) + "\n" for key in ordered)
        temporary.write_text("".join(lines))


def record_path(record: Dict) -> Path:
    """Return the path that the workflow gives to a record."""
    preset = presets.get(record["preset"])
    return paths.record(preset, cell(record), record["suite"], record["target"])


def cell(record: Dict) -> Cell:
    """Return the cell of a record; AtopError if its id does not fit its other keys."""
    fields = {name: value for name, value in record["cell"].items() if name != "id"}
    parsed = Cell(**fields)
    if parsed.id != record["cell"]["id"]:
        raise AtopError(f"cell {record['cell']['id']}: its other keys say {parsed.id}")
    return parsed


def release(table: Table, results: Path, path: Path) -> tuple[int, list[Path]]:
    """Put the records of a table that exist into its file, in place of older ones.

    Returns:
        The number of records put there, and the paths of those that do not exist.
    """
    earlier = provided(path)
    content = read(earlier) if earlier.exists() else {}
    missing = []
    wanted = _records_of(table)
    for key, cell in wanted.items():
        source = results / key.relative_to(paths.RESULTS)
        if source.exists():
            content[key] = records.read(source, cell=cell)
        else:
            missing.append(key)
    if len(missing) == len(wanted):
        raise AtopError(f"{results}: no record of {table.name} under preset {table.preset}")
    write(path, content)
    return len(wanted) - len(missing), missing


def sections(name: str, content: Records) -> list[Table]:
    """Return a table under each preset, init and recipe that some of its records have.

    Rows that only --config extras=true shows, or that the preset leaves out, are there if there
    are records of them. Without records the table is that of preset `paper`.
    """
    shown = []
    for preset in sorted({record["preset"] for record in content.values()}, key=_rank):
        left = {key for key, record in content.items() if record["preset"] == preset}
        tried = _choices(name, presets.get(preset), [content[key] for key in left])
        choices = [(table, _records_of(table).keys()) for table in tried]
        while left:
            # Of equals the first, which overrides least.
            best, wanted = max(choices, key=lambda choice: len(left & choice[1]))
            if not left & wanted:
                break  # no row shows these; `verify` says so
            shown.append(_with_records(best, content))
            left -= wanted
    return shown or [tables.table(name, presets.get("paper"))]


def without_row(name: str, content: Records) -> list[Path]:
    """Return the paths of records for which a table has no row."""
    wanted = {key for table in sections(name, content) for key in _records_of(table)}
    return [key for key in content if key not in wanted]


def _choices(name: str, preset: Preset, content: list[Dict]) -> Iterable[Table]:
    """The table under each init and recipe that the records' cells may come from."""
    trained = [record["cell"] for record in content if not cell(record).undefended]
    nameable = set().union(*(preset.inits(fields["purifier"]) for fields in trained))
    inits = sorted({fields["init"] for fields in trained} & nameable)
    for recipe in [None, *sorted({fields["recipe"] for fields in trained})]:
        for init in [None, *inits]:
            yield tables.table(name, preset, extras=True, init=init, recipe=recipe)


def _records_of(table: Table) -> dict[Path, Cell]:
    """All records that a table can show, with their cells."""
    numbers = ((table.record(*number), table.cell(*number)) for number in table.numbers())
    return {path: cell for path, cell in numbers if path and cell}


def _with_records(table: Table, content: Records) -> Table:
    """The table; of its extra and left-out rows only those that have records."""
    optional = {row.key for row in table.rows if row.extra} | set(table.left_out())
    rows = [
        row
        for row in table.rows
        if row.key not in optional
        or any(table.record(row, column) in content for column in table.columns)
    ]
    return replace(table, rows=tuple(rows))


def _rank(preset: str) -> tuple[bool, str]:
    """Sorting key: comparable presets first, then by name."""
    return not presets.get(preset).settings.comparable, preset
