"""Machines: a device and, if it is a CPU, the threads of a job."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.core.hardware import file_name, processor
from atop.core.values import Dict
from atop.experiment.paths import BENCHMARKS, benchmark_files

if TYPE_CHECKING:
    import torch

_PREFIX = "calibration-"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A device by the name that it reports, and the CPU threads of a job."""

    device: str
    cuda: bool
    threads: int

    @property
    def name(self) -> str:
        """Its name in files."""
        return file_name(self.device)

    @property
    def file(self) -> Path:
        """The file of its rates."""
        return BENCHMARKS / f"{_PREFIX}{self.name}.json"

    def ran(self, provenance: Dict) -> bool:
        """Whether a job ran on such a machine; older records do not name their CPU."""
        if self.cuda:
            return provenance.get("device") == self.device
        same = provenance.get("processor", self.device) == self.device
        return same and provenance.get("device") == "cpu" and provenance["threads"] == self.threads


def cpu(threads: int) -> Machine:
    """The processor of this computer."""
    return Machine(device=processor(), cuda=False, threads=min(threads, os.cpu_count() or 1))


def of(device: "torch.device", threads: int) -> Machine:
    """The machine of a device of this computer."""
    if device.type != "cuda":
        return cpu(threads)
    from torch.cuda import get_device_name

    return Machine(device=get_device_name(device), cuda=True, threads=threads)


def named(name: str, threads: int) -> Machine:
    """The machine of a file results/benchmarks/calibration-NAME.json.

    Raises:
        AtopError: there is none of that name.
    """
    files = {path.stem.removeprefix(_PREFIX): path for path in benchmark_files(f"{_PREFIX}*.json")}
    if name not in files:
        known = ", ".join(sorted(files)) or "none"
        raise AtopError(f"{BENCHMARKS}: no rates of device '{name}'; known are {known}")
    content = read(files[name])
    return Machine(device=content["device"], cuda=content["cuda"], threads=threads)


def read(path: Path) -> Dict:
    """Read a file of rates: `device`, `cuda` and `rows`.

    Raises:
        AtopError: it is not one.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.keys() != {"device", "cuda", "rows"}:
        raise AtopError(f"{path}: not the rates of a device; delete it")
    return content
