"""Where the files of checkpoints.yaml lie in the folder of files that the user has already."""

import re
from collections.abc import Iterable
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.experiment import config, paths
from atop.experiment.dataset_files import within

ROBUSTBENCH = re.compile(
    r"robustbench/(cifar10|cifar100)/(Linf|L2|corruptions)/([\w-]+)\.pt(?:_m(\d)\.pt)?"
)
"""As robustbench's load_model lays them out; an ensemble has a file a part, from _m0.pt on."""


def names(row: Dict) -> list[str]:
    """What the file of a row may be called, the first of them preferred.

    RobustBench has files of one name for several data sets and threats; theirs keep their folders.
    """
    file: str = row["file"]
    return [file.partition("/")[2] or file, *row.get("also", [])]


def known() -> str:
    """A pattern of the files under results/checkpoints/ that can be had."""
    rows = config.read("checkpoints").values()
    files = [re.escape(row["file"]) for row in rows if "file" in row]
    return "|".join([*files, ROBUSTBENCH.pattern])


def find(wanted: list[str], folder: Path | None) -> Path | None:
    """The file of the first of these names or relative paths in a folder, or a little inside it.

    Raises:
        AtopError: there is no such folder.
    """
    if folder is None:
        return None
    if not folder.is_dir():
        raise AtopError(f"{folder}: no such folder; correct --config files=FOLDER")
    places = list(within(folder))
    found = (place / name for name in wanted for place in places)
    return next((path for path in found if path.is_file()), None)


def row_of(path: Path) -> Dict:
    """The row of checkpoints.yaml whose file lies at a path; of another file, its name alone."""
    rows: Iterable[Dict] = config.read("checkpoints").values()
    if paths.CHECKPOINTS not in path.parents:
        inside = [row for row in rows if str(path).endswith(f"/{row.get('package')}")]
        return inside[0] if inside else {"file": str(path)}
    file = str(path.relative_to(paths.CHECKPOINTS))
    return next((row for row in rows if row.get("file") == file), {"file": file})


def checkpoint_at(path: Path, folder: Path) -> Path | None:
    """What a folder holds to make a path of results/checkpoints/ from: the file, or its archive."""
    row = row_of(path)
    archive = paths.archive_of(row)
    return find([*names(row), *([archive.name] if archive else [])], folder)
