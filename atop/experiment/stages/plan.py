"""Plans: the stages behind tables, and files of the config that displays are made of."""

import os
from collections.abc import Iterable
from pathlib import Path

from atop.core.files import PACKAGE
from atop.experiment import config, paper
from atop.experiment.presets import Preset
from atop.experiment.stages.evaluation import Evaluate
from atop.experiment.stages.stage import Stage
from atop.experiment.tables import Table

KINDS = ("training", "attacks", "evaluation")


def of_tables(tables: Iterable[Table]) -> list[Stage]:
    """All stages behind the records of some tables that can be made here, each once."""
    stages: dict[Path, Stage] = {}
    for table in tables:
        for row, column in table.numbers():
            cell, record = table.cell(row, column), table.record(row, column)
            if cell is None or record is None or record in stages or table.missing(row, column):
                continue
            last = Evaluate(
                preset=table.preset, cell=cell, suite=column.suite, target=column.target
            )
            for stage in last.chain():
                stages.setdefault(stage.file, stage)
    return list(stages.values())


def of_table(table: Table) -> list[str]:
    """Inputs of a table beside its records: files of its settings, and the paper's numbers."""
    names = list(dict.fromkeys([table.name, *table.quoted()]))
    files = [f"tables/{name}" for name in names if name in config.tables()]
    printed = (os.path.relpath(paper.file(name)) for name in names if paper.file(name).exists())
    return [*_settings(*files, f"presets/{table.preset}", "attacks", "deviations"), *printed]


def of_grid(preset: Preset) -> list[str]:
    """Inputs of a grid of images beside the images: files of its settings."""
    return _settings("image_grids", f"presets/{preset}", "attacks")


def rendering() -> list[Path]:
    """The source code that makes tables, figures and pages."""
    packages = ("core", "experiment", "results", "reporting")
    files = (path for package in packages for path in (PACKAGE / package).rglob("*.*"))
    return sorted(Path(os.path.relpath(path)) for path in files if path.suffix in (".py", ".j2"))


def _settings(*names: str) -> list[str]:
    return [os.path.relpath(config.folder() / f"{name}.yaml") for name in names]
