"""Availability of data and public weights."""

from pathlib import Path

from atop.experiment import dataset_files, paths, weight_files
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset


def weights(cell: Cell, preset: Preset) -> list[Path]:
    """The public weights under results/checkpoints/ that a cell starts from."""
    names = filter(None, (cell.classifier, cell.trained_with))
    files = [path for name in names for path in paths.classifier(preset, cell.dataset, name)]
    if cell.purifies:
        files = [*files, paths.initial(preset, cell)]
    return [path for path in files if paths.CHECKPOINTS in path.parents]


def missing(cell: Cell, preset: Preset, folder: Path | None) -> str | None:
    """Say which downloads a cell needs if the preset downloads nothing; None if it can run.

    Args:
        cell: known to the preset.
        preset: of the run.
        folder: of the user's data and weights.
    """
    if preset.settings.downloads:
        return None
    names = [] if has_data(cell.dataset, folder) else [f"the dataset {cell.dataset}"]
    if not all(has_weights(path, folder) for path in weights(cell, preset)):
        names.append("public weights")
    if not names:
        return None
    return (
        f"preset {preset} downloads nothing and lacks {' and '.join(names)}; "
        "--config files=FOLDER names a folder that has them"
    )


def has_weights(path: Path, folder: Path | None) -> bool:
    """Whether public weights are here, or in the user's folder."""
    return path.exists() or bool(folder and weight_files.checkpoint_at(path, folder))


def has_data(name: str, folder: Path | None) -> bool:
    """Whether a dataset is here, in the repository, or in the user's folder."""
    here = paths.dataset(name).exists() or dataset_files.source(name).local
    return here or bool(folder and dataset_files.dataset_at(name, folder))
