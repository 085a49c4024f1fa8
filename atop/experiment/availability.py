"""What a cell takes from elsewhere, and whether it is here: data, public weights."""

from pathlib import Path

from atop.experiment import config, dataset_files, paths, weight_files
from atop.experiment.cells import Cell


def weights(cell: Cell, preset: str) -> list[Path]:
    """The public weights under results/checkpoints/ that a cell starts from."""
    found = paths.classifier(preset, cell.dataset, cell.classifier)
    if cell.purifies:
        found = [*found, paths.initial(preset, cell)]
    return [path for path in found if paths.CHECKPOINTS in path.parents]


def lacks(cell: Cell, preset: str, files: Path | None) -> str | None:
    """What has to be downloaded to run a cell, if the preset downloads nothing; None if it can run.

    Args:
        cell: one that the preset knows.
        preset: its name.
        files: a folder where the user has data and weights.
    """
    if config.preset(preset).downloads:
        return None
    missing = [] if has_data(cell.dataset, files) else [f"the dataset {cell.dataset}"]
    if not all(has_weights(path, files) for path in weights(cell, preset)):
        missing.append("public weights")
    if not missing:
        return None
    return (
        f"preset {preset} downloads nothing and lacks {' and '.join(missing)}; "
        "--config files=FOLDER names a folder that has them"
    )


def has_weights(path: Path, files: Path | None) -> bool:
    """Whether public weights are here, or in the user's folder."""
    return path.exists() or bool(files and weight_files.checkpoint_at(path, files))


def has_data(name: str, files: Path | None) -> bool:
    """Whether a dataset is here, in the repository, or in the user's folder."""
    here = paths.dataset(name).exists() or dataset_files.source(name).local
    return here or bool(files and dataset_files.dataset_at(name, files))
