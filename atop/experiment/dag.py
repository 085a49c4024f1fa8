"""What each step of the workflow reads: the arrows of the DAG, by preset and cell."""

import os
from pathlib import Path

from atop.core.files import ROOT
from atop.experiment import config, paper, paths
from atop.experiment.cells import Cell
from atop.experiment.tables import Table


def networks(preset: str, cell: Cell) -> list[Path]:
    """Data and weights that it takes to run a cell."""
    found = [paths.dataset(cell.dataset), *paths.classifier_of(preset, cell)]
    if cell.purifies:
        found.append(paths.purifier(preset, cell))
    return found


def finetune(preset: str, cell: Cell) -> list[Path]:
    """What the making of a cell's purifier, or of its own classifier, starts from."""
    data = paths.dataset(cell.dataset)
    if cell.finetune == "none":
        return [data, paths.initial(preset, cell)]
    if cell.finetune == "continued":
        return [data, paths.purifier(preset, cell.base)]
    bare = paths.classifier(preset, cell.dataset, cell.classifier)
    if cell.finetune == "classifier":
        return [data, *bare]
    return [data, paths.purifier(preset, cell.base), *bare]


def attack(preset: str, victim: Cell, name: str) -> list[Path]:
    """A victim's networks, and the set that an attack goes on from."""
    after = config.attack(name, preset).get("after", "clean")
    return networks(preset, victim) + _stored(preset, victim, after)


def evaluate(preset: str, cell: Cell, suite: str, target: str) -> list[Path]:
    """A cell's networks, and the adversarial sets that it is handed."""
    found = networks(preset, cell)
    for text in config.suite(suite, preset).attacks:
        name, victim = config.entry(text, target)
        found += _stored(preset, cell.victim(victim), name)
    return found


def pictures(preset: str, cell: Cell, attack: str) -> list[Path]:
    """A cell's networks, its classifier's among them, and the set made on that classifier."""
    bare = cell.bare
    found = [*networks(preset, cell), *networks(preset, bare), *_stored(preset, bare, attack)]
    return list(dict.fromkeys(found))


def _stored(preset: str, victim: Cell, attack: str) -> list[Path]:
    """The file of an adversarial set; clean pictures have none."""
    if config.attack(attack, preset)["method"] == "clean":
        return []
    return [paths.adversarial(preset, victim, attack)]


def table(shown: Table) -> list[str]:
    """What a table says beside its records: the files of its settings, and the paper's numbers."""
    names = [shown.name, *shown.quoted()]
    told = [f"tables/{name}" for name in names if name in config.tables()]
    printed = (os.path.relpath(paper.file(name)) for name in names if paper.file(name).exists())
    return [*_settings(*told, f"presets/{shown.preset}", "attacks", "deviations"), *printed]


def grid(preset: str) -> list[str]:
    """The files of the config that say what a picture grid shows."""
    return _settings("pictures", f"presets/{preset}", "attacks")


def _settings(*names: str) -> list[str]:
    return [os.path.relpath(config.folder() / f"{name}.yaml") for name in names]


def rendering() -> list[Path]:
    """The source that tables, figures and pages are made by."""
    packages = ("core", "experiment", "results", "reporting")
    found = (path for one in packages for path in (ROOT / "atop" / one).rglob("*.*"))
    return sorted(Path(os.path.relpath(path)) for path in found if path.suffix in (".py", ".j2"))
