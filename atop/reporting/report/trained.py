"""Training stages behind the records, and what each stage logged."""

from dataclasses import dataclass
from pathlib import Path

from atop.core.values import Dict
from atop.experiment import paths
from atop.experiment.cells import Cell
from atop.experiment.stages.finetuning import of_networks
from atop.reporting.aggregate import Aggregate
from atop.reporting.report import authors_log
from atop.results import metadata


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Training of a network.

    Attributes:
        cell: the cell for which it was made; dataset and name of a pretrained purifier.
        file: the path at which the workflow keeps the log.
        history: lines of `step` and losses by name, means over the batches since the last line.
        batch: images per step.
        points: lines of `step` and accuracies in percent by name, on a validation split.
        validation: size of that split; 0 without points.
        provenance: of the run, if known, and whether it was `resumed`.
        logged: whether the authors' log is of this recipe.
    """

    cell: str
    file: Path
    history: list[Dict]
    batch: int
    points: list[Dict]
    validation: int
    provenance: Dict
    logged: bool


def stages(aggregates: list[Aggregate], results: Path) -> list[Stage]:
    """Return the stages behind the records, each after the stage from which it started."""
    by_file: dict[Path, Stage] = {}
    for aggregate in aggregates:
        preset = aggregate.table.preset
        for record in aggregate.records.values():
            cell = Cell.parse(record["cell"]["id"])
            for stage in of_networks(preset, cell):
                name, file = stage.owner, stage.metadata
                logged = name == cell.weights.id and authors_log.matches(cell.weights, preset)
                if file not in by_file:
                    by_file[file] = _stage(file, results, name, logged)
    return list(by_file.values())


def _stage(file: Path, results: Path, cell: str, logged: bool) -> Stage:
    path = results / file.relative_to(paths.RESULTS)
    about = metadata.read(path, "settings.budget.batch") if path.exists() else {}
    curve, provenance = about.get("curve", {}), about.get("provenance", {})
    if about.get("resumed"):
        provenance = {**provenance, "resumed": True}
    return Stage(
        cell=cell,
        file=file,
        history=about.get("history", []),
        batch=about["settings"]["budget"]["batch"] if about else 0,
        points=curve.get("points", []),
        validation=curve.get("n", 0),
        provenance=provenance,
        logged=logged,
    )
