"""Validation of names before anything is planned.

Each field of a cell is a row of the config or a member of a registry; each file is valid.
"""

from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

from atop.core import stats
from atop.core.errors import AtopError
from atop.experiment import config, image_grids, paths, presets, tables
from atop.experiment.cells import ANY, L_ORG, Cell
from atop.experiment.image_grids import EIGHTHS, Grid
from atop.experiment.paper import quote
from atop.experiment.presets import Preset
from atop.experiment.settings.runs import UserConfig
from atop.experiment.tables import Column, Table
from atop.method.registry import members, require


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values of --config, where Snakemake leaves `true` and `null` strings."""
    meanings: dict[Any, Any] = {"true": True, "false": False, "null": None}
    return {key: meanings.get(value, value) for key, value in values.items()}


def check_everything(user: dict[str, Any]) -> None:
    """Check every file and, under every preset, every table with a user's --config.

    Raises:
        AtopError: names the file, the key and what is allowed.
    """
    config.validate(user, UserConfig, where="workflow/config/config.yaml or --config")
    for read in (
        config.datasets,
        config.classifiers,
        config.transforms,
        config.recipes,
        config.checkpoints,
        config.deviations,
    ):
        read()
    files = user.get("files")
    if files and not Path(files).is_dir():
        raise AtopError(f"--config files={files}: no such folder")
    overrides = {name: user.get(name) for name in ("init", "recipe", "seed")}
    for preset in map(presets.get, presets.names()):
        for name in preset.settings.transforms:
            config.transform(name)
        for name in preset.settings.slow_tables:
            config.table(name)
        _check_attacks(preset)
        for name in config.tables():
            check_table(tables.table(name, preset, extras=True, **overrides))
        for name in image_grids.names():
            check_grid(image_grids.grid(name, preset))
    for name in config.attacks().suites:
        _check_suite(name)
    check_queue(presets.get(presets.names()[0]))  # its tables were checked under all of them


def check_queue(preset: Preset) -> None:
    """Check that the tables, rows, overrides and presets of queue.yaml exist, under a preset."""
    for item in config.queue():
        if item.table is None:
            presets.get(str(item.preset))
            continue
        table = tables.table(item.table, preset, **item.overrides.given())
        check_table(table)
        for key in item.rows or []:
            try:
                table.row(key)
            except AtopError as error:
                raise AtopError(f"{config.folder()}/queue.yaml: {error}") from error


def check_table(table: Table) -> None:
    """Check that a table's cells, attacks, pairs and quotations exist."""
    where = f"{config.folder()}/tables/{table.name}.yaml"
    _check_init_override(table.overrides.get("init"))
    for kind, keys in (
        ("rows", [row.key for row in table.rows]),
        ("columns", [column.key for column in table.columns]),
    ):
        for key in {key for key in keys if keys.count(key) > 1}:
            raise AtopError(f"{where}: {kind}: more than one is called '{key}'")
    _check_rows(table, where)
    for column in table.columns:
        _check_column(table, column, where)
    complete = tables.of_spec(table.name, table.spec, table.preset, extras=True)
    for key in [*table.left_out(), *(key for pair in table.spec.pairs for key in pair)]:
        complete.row(key)


def _check_rows(table: Table, where: str) -> None:
    cells = ((table.cell(row, column), row.cited) for row, column in table.numbers())
    for cell, cited in dict.fromkeys(cells):
        if cell and cited:  # shown with its sizes, never run
            config.dataset(cell.dataset)
            table.preset.sizes(cell)
        elif cell:
            check_cell(cell, table.preset)
    for row in table.rows:
        if len(row.labels) != len(table.spec.labels):
            raise AtopError(
                f"{where}: rows: '{row.key}' has {len(row.labels)} labels; the headings are "
                f"{', '.join(table.spec.labels)}"
            )
        for quotation in row.printed:
            quote(quotation, table.preset)


def _check_column(table: Table, column: Column, where: str) -> None:
    """Its suite has its entries, enough draws, and selection draws for a worst case."""
    where = f"{where}: columns: {column.key}"
    entries = config.suite(column.suite).attacks
    for entry in column.listed:
        if entry not in entries:
            raise AtopError(
                f"{where}: suite {column.suite} has no attack '{entry}'; "
                f"known are {', '.join(entries)}"
            )
    suite = table.preset.suite(column.suite)
    if stats.tries(column.metric) > suite.draws:
        raise AtopError(
            f"{where}: {column.metric} needs as many draws, and suite {column.suite} has "
            f"{suite.draws} (attacks.yaml, suites.{column.suite}.draws)"
        )
    if len(column.listed) < 2:
        return
    if not suite.selection:
        raise AtopError(
            f"{where}: a worst case is picked on selection draws, and suite {column.suite} has "
            f"none (attacks.yaml, suites.{column.suite}.selection)"
        )
    for entry in column.listed:
        if table.preset.attack(entry.partition("@")[0]).through == "fixed":
            raise AtopError(
                f"{where}: '{entry}' knows the draw that it is judged on, "
                "so it is no candidate of a worst case"
            )


def check_grid(grid: Grid) -> None:
    """Check that a grid's cells are known, its images stored, its patch inside, its views made."""
    file, preset = f"{config.folder()}/image_grids.yaml", grid.preset
    datasets = {cell.dataset for block in grid.blocks for cell in block.cells}
    stored = min(image_grids.stored(grid.attack, preset, dataset) for dataset in datasets)
    if max(grid.spec.positions) >= stored:
        raise AtopError(
            f"{file}: figures.{grid.name}.positions: {stored} images are stored in preset "
            f"{preset}; raise `images`, or that preset's examples of attack {grid.attack}"
        )
    for block in grid.blocks:
        if max(block.patch.row, block.patch.column) + block.patch.side > EIGHTHS:
            raise AtopError(f"{file}: datasets: the patch of {block.label} ends outside of it")
        for panel in block.panels:
            check_cell(panel.cell, preset)
            if panel.view >= preset.views(panel.cell):
                raise AtopError(
                    f"{file}: figures.{grid.name}.rows: no view {panel.view + 1}; "
                    f"{panel.cell.transform} makes {preset.views(panel.cell)}"
                )


def check_cell(cell: Cell, preset: Preset) -> None:
    """Raise AtopError unless a preset knows every field of a cell."""
    config.dataset(cell.dataset)
    if cell.classifier != ANY:
        _check_classifier(cell, preset)
    if cell.trained_with:
        _check_exchange(cell, preset)
    require("purifiers", cell.purifier)
    _check_patches(cell, preset)
    preset.recipe(cell)
    of_f = cell.finetune == "classifier"
    if cell.finetune != "none" and (cell.purifies == of_f or cell.transform == "none"):
        raise AtopError(
            f"{cell.id}: with a transform, a purifier is trained, or the classifier without one "
            "(identity, whose init is none)"
        )
    _check_init(cell, preset)


def _check_exchange(cell: Cell, preset: Preset) -> None:
    """Its purifier was fine-tuned with a classifier, which is known and not the cell's own."""
    if not cell.purifies or cell.finetune in L_ORG:
        raise AtopError(
            f"{cell.id}: trained_with is the classifier that AToP fine-tunes a purifier with; "
            f"finetune {cell.finetune} of {cell.purifier} knows none"
        )
    if cell.trained_with == cell.classifier:
        raise AtopError(
            f"{cell.id}: trained_with is the cell's own classifier; leave it out, or name another"
        )
    _check_classifier(cell.weights, preset)


def _check_patches(cell: Cell, preset: Preset) -> None:
    """The transform's patches divide the purifier's input: pixels, or tokens of `patch`."""
    grid = preset.transform(cell).options.get("grid", 1)
    pixels = preset.sizes(cell).purifier
    patch = preset.purifier(cell.purifier, cell.dataset).options.get("patch", 1)
    if (pixels // patch) % grid:
        unit = f"{pixels // patch} tokens" if patch > 1 else f"{pixels} pixels"
        raise AtopError(
            f"{preset.file}: {cell.purifier} works on {unit} a side, "
            f"which do not divide into the {grid}x{grid} patches of {cell.transform}; change "
            "sizes.purifier, or its own options, or the transform's grid under transforms"
        )


def _check_classifier(cell: Cell, preset: Preset) -> None:
    """Its family exists, and so do its weights if it is never trained here."""
    name, row = cell.classifier, config.classifier(cell.classifier)
    files = paths.classifier(preset, cell.dataset, name)
    if row.training == "never" and files == [paths.trained(preset, cell.dataset, name)]:
        if preset.settings.trains(name):
            raise AtopError(
                f"{preset.file}: classifiers.{name}: train: true, but it "
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


def parse(text: str, preset: Preset) -> Cell:
    """The cell of an id; AtopError unless the preset knows it."""
    cell = Cell.parse(text)
    check_cell(cell, preset)
    return cell


def _check_init(cell: Cell, preset: Preset) -> None:
    if not cell.purifies and not preset.purifier(cell.purifier).options:
        return
    if cell.init not in (known := preset.inits(cell.purifier)):
        raise AtopError(
            f"{config.folder()}/checkpoints.yaml: no '{cell.purifier}-{cell.init}'; known as init "
            f"of {cell.purifier} are {', '.join(sorted(known))}, and none if it has no weights"
        )
    if paths.initial(preset, cell) == paths.pretrained(preset, cell.dataset, cell.purifier):
        for name in preset.pretraining(cell.purifier).transforms:
            _check_patches(replace(cell, transform=name, ablation="none"), preset)


def _check_init_override(init: str | None) -> None:
    """Some purifier has this init under some preset; the others keep their own."""
    if not init:
        return
    pairs = product(map(presets.get, presets.names()), members("purifiers"))
    known = set[str]().union(*(preset.inits(purifier) for preset, purifier in pairs))
    if init not in known:
        raise AtopError(f"init={init}: no such init; known are {', '.join(sorted(known))}")


def _check_attacks(preset: Preset) -> None:
    """Each budget can be read, and each name in it is an attack."""
    names = config.attacks().attacks
    for name in names:
        if after := preset.attack(name).after:
            preset.attack(after)
    preset.attack(preset.settings.training_attack)
    preset.attack(config.image_grids().attack)
    for name in preset.settings.suites:
        preset.suite(name)
    for pattern in preset.settings.attacks:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise AtopError(
                f"{preset.file}: attacks: no attack is called '{pattern}'; "
                f"known are {', '.join(names)}"
            )


def _check_suite(name: str) -> None:
    """Its entries are attacks, and a preset leaves out only entries that exist."""
    suite, attacks = config.suite(name), config.attacks().attacks
    for entry in suite.entries(suite.target):
        if entry.attack not in attacks:
            raise AtopError(
                f"{config.folder()}/attacks.yaml: suites.{name}: no attack '{entry.text}'; "
                f"known are {', '.join(attacks)}"
            )
    for preset in map(presets.get, presets.names()):
        changes = preset.settings.suites.get(name)
        for text in changes.leave_out if changes else ():
            if text not in suite.attacks:
                raise AtopError(
                    f"{preset.file}: suites.{name}.leave_out: no '{text}' to leave; "
                    f"known are {', '.join(suite.attacks)}"
                )
