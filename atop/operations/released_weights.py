"""Released weights of a preset, so that others evaluate what its tables show without training it.

They lie in results/released/weights/ under their names in results/, with their metadata and a file
that `sha256sum --check` reads.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.files import read_json, sha256, writing
from atop.experiment import config, paths, tables
from atop.experiment.presets import Preset
from atop.experiment.stages import plan
from atop.experiment.stages.training import Training
from atop.results.released import FOLDER

WEIGHTS = FOLDER / "weights"
SUMS = "SHA256SUMS"


def release(preset: Preset) -> list[Path]:
    """Copy all weights that the preset's tables need and that are here; return the copies."""
    files = [file for stage in _trainings(preset) for file in (stage.file, stage.metadata)]
    copies = [_copy(file, _released(file)) for file in files if file.exists()]
    folder = WEIGHTS / preset.name
    known = sorted(path for path in folder.rglob("*") if path.suffix in (".safetensors", ".json"))
    with writing(folder / SUMS) as temporary:
        lines = (f"{sha256(path)}  {path.relative_to(folder)}\n" for path in known)
        temporary.write_text("".join(lines))
    return copies


def restore(preset: Preset) -> list[Path]:
    """Copy released weights to where a training would write them; return the copies.

    Weights that are there already are kept. Each file is newer than what it was made from, so that
    Snakemake does not make it again.

    Raises:
        AtopError: the data are not here; a file is damaged; or the settings are others today.
    """
    folder, copies = WEIGHTS / preset.name, []
    sums = {name: digest for digest, name in map(str.split, _lines(folder / SUMS))}
    for stage in _trainings(preset):
        if stage.file.exists() or not _released(stage.file).exists():
            continue
        if missing := next((path for path in stage.inputs if not path.exists()), None):
            raise AtopError(f"{missing}: make it first, so that the weights are newer than it")
        for file in (stage.metadata, stage.file):
            source = _released(file)
            if sums.get(str(source.relative_to(folder))) != sha256(source):
                raise AtopError(f"{source}: not the file of {folder / SUMS}; check it out again")
        fingerprint = read_json(_released(stage.metadata))["settings"]["fingerprint"]
        if fingerprint != stage.fingerprint:
            raise AtopError(
                f"{_released(stage.file)}: was trained under other settings; train it here"
            )
        copies += [_copy(_released(file), file) for file in (stage.metadata, stage.file)]
    return copies


def _trainings(preset: Preset) -> Iterator[Training]:
    """All trainings behind the preset's tables, each after those that it starts from."""
    shown = [tables.table(name, preset, extras=True) for name in config.tables()]
    return (stage for stage in plan.of_tables(shown) if isinstance(stage, Training))


def _released(file: Path) -> Path:
    return WEIGHTS / file.relative_to(paths.RESULTS)


def _copy(source: Path, target: Path) -> Path:
    with writing(target) as temporary:
        shutil.copyfile(source, temporary)  # the time of the copy, not of the file
    return target


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
