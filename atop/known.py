"""Whether names mean something, asked before anything is planned.

Each word of a cell is a row of the config or a member of a registry; each file is valid.
"""

from typing import Any

from atop import config
from atop.cells import ANY, Cell
from atop.errors import AtopError
from atop.registry import require

FILES = ("datasets", "transforms", "recipes", "attacks", "weights", "deviations")


def words(said: dict[str, Any]) -> dict[str, Any]:
    """What a user said with --config, where Snakemake leaves `true` and `null` strings."""
    plain: dict[Any, Any] = {"true": True, "false": False, "null": None}
    return {key: plain.get(value, value) for key, value in said.items()}


def check_everything(words: dict[str, Any]) -> None:
    """Check every file and, with the words that a user said, every table under every preset.

    Raises:
        AtopError: names the file, the key and what would do.
    """
    config.validate(words, "config", where="workflow/config/config.yaml or --config")
    for name in FILES:
        config.read(name)
    said = {name: words.get(name) for name in ("init", "recipe", "seed")}
    for preset in config.presets():
        for name in config.read("attacks")["attacks"].keys() | config.preset(preset)["attacks"]:
            config.attack(name, preset)
        for name in config.tables():
            check_table(config.table(name, preset, **said))
    for name in config.read("attacks")["suites"]:
        _check_suite(name)


def check_table(table: config.Table) -> None:
    """Check the cells of a table that can run, and that its suite has its columns."""
    for cell in table.cells:
        check_cell(cell, table.preset)
    keys = {row.key for row in table.rows}
    for key in [key for pair in table.spec.get("pairs", []) for key in pair if key not in keys]:
        raise AtopError(
            f"{config.folder()}/tables/{table.name}.yaml: pairs: no row '{key}'; "
            f"known are {', '.join(sorted(keys))}"
        )
    suite = config.suite(table.spec["suite"])
    for column in table.spec["columns"]:
        if column["attack"] not in suite["attacks"]:
            raise AtopError(
                f"{config.folder()}/tables/{table.name}.yaml: columns: suite {table.spec['suite']} "
                f"has no attack '{column['attack']}'; known are {', '.join(suite['attacks'])}"
            )


def check_cell(cell: Cell, preset: str) -> None:
    """Raise AtopError unless a preset knows every word of a cell."""
    config.dataset(cell.dataset)
    grid, size = config.transform(cell.transform).get("grid", 1), config.preset(preset)["sizes"]
    if size["purifier"] % grid:
        raise AtopError(
            f"{config.folder()}/presets/{preset}.yaml: sizes.purifier: {size['purifier']} pixels "
            f"do not divide into the {grid}x{grid} patches of {cell.transform}"
        )
    config.recipe(cell.recipe, cell.transform, preset)
    if cell.classifier != ANY:
        require("classifiers", cell.classifier)
    require("purifiers", cell.purifier)
    if cell.purifier != "identity":
        _check_init(cell, preset)


def parse(text: str, preset: str) -> Cell:
    """The cell of an id; AtopError unless it is one that a preset knows."""
    cell = Cell.parse(text)
    check_cell(cell, preset)
    return cell


def _check_init(cell: Cell, preset: str) -> None:
    row = config.purifier(cell.purifier, preset)
    public = [name.split("-") for name in config.read("weights")]
    known = {"scratch", *row["checkpoints"]}
    known |= {init for purifier, init in public if purifier == cell.purifier}
    if cell.init not in known:
        raise AtopError(
            f"{config.folder()}/weights.yaml: no '{cell.purifier}-{cell.init}'; known as init of "
            f"{cell.purifier} are {', '.join(sorted(known))}"
        )


def _check_suite(name: str) -> None:
    rows = config.read("attacks")["attacks"]
    for attack in config.suite(name)["attacks"]:
        if attack not in rows:
            raise AtopError(
                f"{config.folder()}/attacks.yaml: suites.{name}: no attack '{attack}'; "
                f"known are {', '.join(rows)}"
            )
