"""What each step of the workflow reads: the arrows of the DAG, by preset and cell."""

import os
from pathlib import Path

from atop import config, paths
from atop.cells import Cell


def networks(preset: str, cell: Cell) -> list[Path]:
    """Data and weights that it takes to run a cell."""
    found = [paths.dataset(cell.dataset), classifier(preset, cell)]
    if not cell.undefended:
        found.append(paths.purifier(preset, cell))
    return found


def classifier(preset: str, cell: Cell) -> Path:
    """The weights of a cell's classifier."""
    return paths.classifier(preset, cell.dataset, cell.classifier)


def finetune(preset: str, cell: Cell) -> list[Path]:
    """What the making of a cell's purifier starts from."""
    data = paths.dataset(cell.dataset)
    if cell.finetune == "none":
        return [data, paths.initial(preset, cell)]
    found = [data, paths.purifier(preset, cell.base)]
    if cell.finetune != "continued":
        found.append(classifier(preset, cell))
    return found


def evaluate(preset: str, cell: Cell, suite: str, target: str) -> list[Path]:
    """A cell's networks, and the adversarial sets that it is handed."""
    victim = cell.victim(target)
    attacks = [name for name in config.suite(suite)["attacks"] if name != "clean"]
    return networks(preset, cell) + [paths.adversarial(preset, victim, name) for name in attacks]


def table_settings(preset: str, table: str) -> list[str]:
    """The files of the config that say what is printed in a table."""
    names = (f"tables/{table}", f"presets/{preset}", "attacks", "deviations")
    return [os.path.relpath(config.folder() / f"{name}.yaml") for name in names]
