"""Files of public weights in the user's folder."""

import re
from pathlib import Path

from atop.core.errors import AtopError
from atop.experiment import config, paths
from atop.experiment.dataset_files import within
from atop.experiment.settings.inputs import CheckpointSpec

ROBUSTBENCH = re.compile(
    r"robustbench/(cifar10|cifar100)/(Linf|L2|corruptions)/([\w-]+)\.pt(?:_m(\d)\.pt)?"
)
"""As robustbench's load_model lays them out; an ensemble has a file a part, from _m0.pt on."""


def names(row: CheckpointSpec) -> list[str]:
    """Possible names of a row's file, the preferred one first.

    RobustBench has files of one name for several data sets and threats; theirs keep their folders.
    """
    file = str(row.file)
    return [file.partition("/")[2] or file, *row.also]


def pattern() -> str:
    """A pattern of the files under results/checkpoints/ that can be fetched."""
    files = [re.escape(row.file) for row in config.checkpoints().values() if row.file]
    return "|".join([*files, ROBUSTBENCH.pattern])


def find(wanted: list[str], folder: Path | None) -> Path | None:
    """The file of the first of some names or relative paths in a folder or its subfolders.

    Raises:
        AtopError: there is no such folder.
    """
    if folder is None:
        return None
    if not folder.is_dir():
        raise AtopError(f"{folder}: no such folder; correct --config files=FOLDER")
    places = list(within(folder))
    files = (place / name for name in wanted for place in places)
    return next((path for path in files if path.is_file()), None)


def row_of(path: Path) -> CheckpointSpec:
    """The row of checkpoints.yaml for a path; for an unknown path, one with the file alone."""
    rows = config.checkpoints().values()
    if paths.CHECKPOINTS not in path.parents:
        packages = (row for row in rows if row.package and str(path).endswith(f"/{row.package}"))
        return next(packages, CheckpointSpec.of_file(str(path)))
    file = str(path.relative_to(paths.CHECKPOINTS))
    return next((row for row in rows if row.file == file), CheckpointSpec.of_file(file))


def checkpoint_at(path: Path, folder: Path) -> Path | None:
    """The source of a path of results/checkpoints/ in a folder: the file, or its archive."""
    row = row_of(path)
    archive = paths.archive_of(row)
    return find([*names(row), *([archive.name] if archive else [])], folder)
