"""Choices of `auto`, kept in results/benchmarks/execution-DEVICE.json, a row for each network.

A job takes the row that is there. So the jobs of a machine agree, and a job that goes on runs as it
began. Where there is none, the first job measures, and others wait for it. Delete a row, or the
file, to measure again; if the choice is then another one, jobs that were interrupted begin afresh.
The file is not in git: a choice is of one machine, and rows that are added would change the commit
that records name.
"""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch
from filelock import FileLock
from tqdm import tqdm

from atop.core.execution import Compute
from atop.core.files import read_json, write_json
from atop.core.hardware import bfloat16_instructions, file_name, processor
from atop.core.values import Dict
from atop.experiment import config, paths
from atop.experiment.settings.base import Number, Settings
from atop.experiment.settings.execution import Precision
from atop.pipeline.execution.timing import fastest


class Choice(Settings):
    """A row: what was chosen for a network, and the milliseconds of all candidates."""

    about: str
    precision: Precision
    channels_last: bool
    ms: dict[str, Number]
    machine: Dict
    date: str

    @property
    def compute(self) -> Compute:
        """Precision and layout."""
        return Compute(precision=self.precision, channels_last=self.channels_last)

    def __str__(self) -> str:
        """Such as "train deepfill at 64 pixels: float32 (ms: float32 20; bfloat16 22)"."""
        times = "; ".join(f"{name} {ms:g}" for name, ms in self.ms.items())
        return f"{self.about}: {self.compute.name} (ms: {times})"


class Choices(Settings):
    """The file of a device."""

    device: str
    rows: dict[str, Choice]


def name_of(device: torch.device) -> str:
    """The name that a device reports."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def file_of(device: torch.device) -> Path:
    """The file of a device's choices."""
    return paths.BENCHMARKS / f"execution-{file_name(name_of(device))}.json"


def conditions(device: torch.device) -> Dict:
    """Conditions beside the device's name on which a choice depends."""
    if device.type == "cuda":
        return {"torch": torch.__version__}
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": bfloat16_instructions(),
    }


def choice(
    about: str,
    settings: object,
    device: torch.device,
    measure: Callable[[], Mapping[Compute, float]],
) -> Choice:
    """The choice for a network on a device; it is measured if there is none.

    Args:
        about: the network in words.
        settings: everything that is measured.
        device: of the job.
        measure: returns seconds of the candidates, the plainest first.

    Raises:
        AtopError: the file of the device is damaged.
    """
    path, state = file_of(device), conditions(device)
    key = config.digest("Execution", settings, state)
    lock = paths.RESULTS / "state" / f"{path.stem}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # a job that waited finds what another one measured
        rows = _rows(path)
        if key not in rows:
            rows[key] = _row(about, state, measure())
            as_json = {each: row.given() for each, row in rows.items()}
            write_json(path, {"device": name_of(device), "rows": as_json})
            tqdm.write(f"{path}: {rows[key]}", file=sys.stderr)
    return rows[key]


def _row(about: str, state: Dict, times: Mapping[Compute, float]) -> Choice:
    best = fastest(times)
    chosen: Dict = {"precision": best.precision, "channels_last": best.channels_last}
    return Choice(
        about=about,
        **chosen,
        ms={each.name: float(f"{1000 * seconds:.3g}") for each, seconds in times.items()},
        machine=state,
        date=datetime.now(UTC).date().isoformat(),
    )


def _rows(path: Path) -> dict[str, Choice]:
    if not path.exists():
        return {}
    where = f"{path} (delete it to measure again)"
    return dict(config.validate(read_json(path), Choices, where=where).rows)
