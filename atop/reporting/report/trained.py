"""Training stages behind the records: what was trained here, and what it logged."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atop.core.values import Dict
from atop.experiment import paths, steps
from atop.experiment.cells import Cell
from atop.reporting.aggregate import Aggregate
from atop.reporting.report import authors_log
from atop.results import metadata


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Training of a network.

    Attributes:
        cell: the cell that it was made for; of a pretrained purifier, its dataset and its name.
        file: where the workflow keeps what it logged.
        history: lines of `step` and losses by name, means over the batches since the line before.
        batch: pictures a step.
        points: lines of `step` and accuracies in percent by name, on pictures held out of training.
        held_out: how many those are; 0 without any.
        provenance: of the run, if known, and whether it was `resumed`.
        logged: whether the authors' log is of this recipe.
    """

    cell: str
    file: Path
    history: list[Dict]
    batch: int
    points: list[Dict]
    held_out: int
    provenance: Dict
    logged: bool


def stages(wholes: list[Aggregate], results: Path) -> list[Stage]:
    """Stages that trained what the records measured, each after the one it started from."""
    found: dict[Path, tuple[str, bool]] = {}
    for whole in wholes:
        preset = whole.table.preset
        for cell in _measured(whole):
            for step in steps.trained(preset, cell):
                name = step.made_for
                logged = name == cell.weights.id and authors_log.matches(cell.weights, preset)
                found.setdefault(step.account, (name, logged))
    return [_stage(path, results, *about) for path, about in found.items()]


def _measured(whole: Aggregate) -> Iterator[Cell]:
    """Cells of a table's records."""
    for row, column in whole.table.numbers():
        cell = whole.table.cell(row, column)
        if cell and whole.table.record(row, column) in whole.records:
            yield cell


def _stage(file: Path, results: Path, cell: str, logged: bool) -> Stage:
    here = results / file.relative_to(paths.RESULTS)
    about = metadata.read(here, "settings.budget.batch") if here.exists() else {}
    curve, provenance = about.get("curve", {}), about.get("provenance", {})
    if about.get("resumed"):
        provenance = {**provenance, "resumed": True}
    return Stage(
        cell=cell,
        file=file,
        history=about.get("history", []),
        batch=about["settings"]["budget"]["batch"] if about else 0,
        points=curve.get("points", []),
        held_out=curve.get("n", 0),
        provenance=provenance,
        logged=logged,
    )
