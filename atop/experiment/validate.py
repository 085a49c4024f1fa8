"""Whether names mean something, asked before anything is planned.

Each word of a cell is a row of the config or a member of a registry; each file is valid.
"""

from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

from atop.core import stats
from atop.core.errors import AtopError
from atop.experiment import config, paths, tables, training_budgets
from atop.experiment.cells import ANY, Cell
from atop.experiment.paper import quote
from atop.experiment.settings.shown import UserConfig
from atop.experiment.tables import Column, Table
from atop.method.registry import members, require

FILES = ("datasets", "classifiers", "transforms", "recipes", "attacks", "checkpoints", "deviations")


def words(said: dict[str, Any]) -> dict[str, Any]:
    """What a user said with --config, where Snakemake leaves `true` and `null` strings."""
    plain: dict[Any, Any] = {"true": True, "false": False, "null": None}
    return {key: plain.get(value, value) for key, value in said.items()}


def check_everything(words: dict[str, Any]) -> None:
    """Check every file and, with the words that a user said, every table under every preset.

    Raises:
        AtopError: names the file, the key and what would do.
    """
    config.validate(words, UserConfig, where="workflow/config/config.yaml or --config")
    for name in FILES:
        config.read(name)
    files = words.get("files")
    if files and not Path(files).is_dir():
        raise AtopError(f"--config files={files}: no such folder")
    said = {name: words.get(name) for name in ("init", "recipe", "seed")}
    for preset in config.presets():
        for name in config.preset(preset).transforms:
            config.transform(name)
        _check_attacks(preset)
        for name in config.tables():
            check_table(tables.table(name, preset, extras=True, **said))
    for name in config.read("attacks")["suites"]:
        _check_suite(name)
    check_queue(config.presets()[0])  # its tables were checked under all of them


def check_queue(preset: str) -> None:
    """Check that the tables, rows, words and presets of queue.yaml exist, under a preset."""
    for item in config.read("queue")["queue"]:
        if "command" in item:
            config.preset(item["preset"])
            continue
        table = tables.table(item["table"], preset, **item.get("words", {}))
        check_table(table)
        for key in item.get("rows", []):
            try:
                table.row(key)
            except AtopError as error:
                raise AtopError(f"{config.folder()}/queue.yaml: {error}") from error


def check_table(table: Table) -> None:
    """Check that a table's cells, attacks, pairs and quotations exist."""
    where = f"{config.folder()}/tables/{table.name}.yaml"
    _check_said_init(table.words.get("init"))
    for what, keys in (
        ("rows", [row.key for row in table.rows]),
        ("columns", [column.key for column in table.columns]),
    ):
        for key in {key for key in keys if keys.count(key) > 1}:
            raise AtopError(f"{where}: {what}: more than one is called '{key}'")
    _check_rows(table, where)
    for column in table.columns:
        _check_column(table, column, where)
    whole = tables.table(table.name, table.preset, extras=True)
    for key in [*table.left_out(), *(key for pair in table.spec.get("pairs", []) for key in pair)]:
        whole.row(key)


def _check_rows(table: Table, where: str) -> None:
    cells = ((table.cell(row, column), row.cited) for row, column in table.numbers())
    for cell, cited in dict.fromkeys(cells):
        if cell and cited:  # shown with its sizes, never run
            config.dataset(cell.dataset)
            config.sizes(table.preset, cell)
        elif cell:
            check_cell(cell, table.preset)
    for row in table.rows:
        if len(row.labels) != len(table.spec["labels"]):
            raise AtopError(
                f"{where}: rows: '{row.key}' has {len(row.labels)} labels; the headings are "
                f"{', '.join(table.spec['labels'])}"
            )
        for one in row.printed:
            quote(**one, preset=table.preset)


def _check_column(table: Table, column: Column, where: str) -> None:
    """Its suite has its entries and enough draws, and selection draws where a worst case counts."""
    entries = config.read("attacks")["suites"][column.suite]["attacks"]
    for entry in column.listed:
        if entry not in entries:
            raise AtopError(
                f"{where}: columns: {column.key}: suite {column.suite} has no attack '{entry}'; "
                f"known are {', '.join(entries)}"
            )
    draws = config.suite(column.suite, table.preset).draws
    if stats.tries(column.metric) > draws:
        raise AtopError(
            f"{where}: columns: {column.key}: {column.metric} needs as many draws, and suite "
            f"{column.suite} has {draws} (attacks.yaml, suites.{column.suite}.draws)"
        )
    if len(column.listed) < 2:
        return
    if not config.suite(column.suite, table.preset).selection:
        raise AtopError(
            f"{where}: columns: {column.key}: a worst case is picked on selection draws, and suite "
            f"{column.suite} has none (attacks.yaml, suites.{column.suite}.selection)"
        )
    for entry in column.listed:
        attack, _ = config.entry(entry, column.target)
        if config.attack(attack, table.preset).get("through") == "fixed":
            raise AtopError(
                f"{where}: columns: {column.key}: '{entry}' knows the draw that it is judged on, "
                "so it is no candidate of a worst case"
            )


def check_cell(cell: Cell, preset: str) -> None:
    """Raise AtopError unless a preset knows every word of a cell."""
    config.dataset(cell.dataset)
    if cell.classifier != ANY:
        _check_classifier(cell, preset)
    require("purifiers", cell.purifier)
    _check_grid(cell, preset)
    config.recipe(cell.recipe, cell.transform, preset)
    of_f = cell.finetune == "classifier"
    if cell.finetune != "none" and (cell.purifies == of_f or cell.transform == "none"):
        raise AtopError(
            f"{cell.id}: with a transform, a purifier is trained, or the classifier without one "
            "(identity, whose init is none)"
        )
    _check_init(cell, preset)


def _check_grid(cell: Cell, preset: str) -> None:
    """The transform's patches divide what the purifier works on: pixels, or tokens of `patch`."""
    grid = config.transform_of(preset, cell)[1].get("grid", 1)
    pixels = config.sizes(preset, cell)["purifier"]
    patch = config.purifier(cell.purifier, preset, cell.dataset)["options"].get("patch", 1)
    if (pixels // patch) % grid:
        what = f"{pixels // patch} tokens" if patch > 1 else f"{pixels} pixels"
        raise AtopError(
            f"{config.folder()}/presets/{preset}.yaml: {cell.purifier} works on {what} a side, "
            f"which do not divide into the {grid}x{grid} patches of {cell.transform}; change "
            "sizes.purifier, or its own options, or the transform's grid under transforms"
        )


def _check_classifier(cell: Cell, preset: str) -> None:
    """Its family is there, and so are its weights if it is never trained here."""
    name, row = cell.classifier, config.classifier(cell.classifier)
    files = paths.classifier(preset, cell.dataset, name)
    if row.training == "never" and files == [paths.trained(preset, cell.dataset, name)]:
        if config.preset(preset).trains(name):
            raise AtopError(
                f"{config.folder()}/presets/{preset}.yaml: classifiers.{name}: train: true, but it "
                "is somebody else's defence, which is its public weights; take that away"
            )
        raise AtopError(
            f"{config.folder()}/classifiers.yaml: {name}: no weights for {cell.dataset}, and it is "
            f"not trained here; it has them for {', '.join(row.weights) or 'nothing'}"
        )
    if row.family not in members("classifiers"):
        raise AtopError(
            f"{config.folder()}/classifiers.yaml: {name}: no family '{row.family}' in "
            f"atop/method/classifiers/; known are {', '.join(members('classifiers'))}"
        )


def parse(text: str, preset: str) -> Cell:
    """The cell of an id; AtopError unless it is one that a preset knows."""
    cell = Cell.parse(text)
    check_cell(cell, preset)
    return cell


def _check_init(cell: Cell, preset: str) -> None:
    known = config.inits(cell.purifier, preset)
    if not cell.purifies and not config.purifier(cell.purifier, preset)["options"]:
        return
    if cell.init not in known:
        raise AtopError(
            f"{config.folder()}/checkpoints.yaml: no '{cell.purifier}-{cell.init}'; known as init "
            f"of {cell.purifier} are {', '.join(sorted(known))}, and none if it has no weights"
        )
    if paths.initial(preset, cell) == paths.pretrained(preset, cell):
        for name in training_budgets.pretrain(preset, cell.purifier)["transforms"]:
            _check_grid(replace(cell, transform=name, ablation="none"), preset)


def _check_said_init(init: str | None) -> None:
    """Some purifier can start from there under some preset; the others then do as usual."""
    if not init:
        return
    pairs = product(members("purifiers"), config.presets())
    known = set[str]().union(*(config.inits(*pair) for pair in pairs))
    if init not in known:
        raise AtopError(f"init={init}: no such init; known are {', '.join(sorted(known))}")


def _check_attacks(preset: str) -> None:
    """Each budget can be read, and each name in it stands for an attack."""
    names = config.read("attacks")["attacks"]
    for name in names:
        row = config.attack(name, preset)
        if "after" in row:
            config.attack(row["after"], preset)
    for name in config.preset(preset).suites:
        config.suite(name, preset)
    for pattern in config.preset(preset).attacks:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise AtopError(
                f"{config.folder()}/presets/{preset}.yaml: attacks: no attack is called "
                f"'{pattern}'; known are {', '.join(names)}"
            )


def _check_suite(name: str) -> None:
    """Its entries are attacks, and a preset leaves out only what is there."""
    attacks, rows = config.read("attacks"), config.read("attacks")["attacks"]
    entries = attacks["suites"][name]["attacks"]
    for entry in entries:
        if config.entry(entry, "")[0] not in rows:
            raise AtopError(
                f"{config.folder()}/attacks.yaml: suites.{name}: no attack '{entry}'; "
                f"known are {', '.join(rows)}"
            )
    for preset in config.presets():
        where = f"{config.folder()}/presets/{preset}.yaml: suites.{name}.leave_out"
        changes = config.preset(preset).suites.get(name)
        left_out = changes.leave_out if changes else ()
        for entry in left_out:
            if entry not in entries:
                raise AtopError(f"{where}: no '{entry}' to leave; known are {', '.join(entries)}")
