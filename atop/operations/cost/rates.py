"""Rates: seconds and memory of operations on a device, in files of results/benchmarks/.

A device has one file, with a row for each measured operation. Delete a row to measure it again.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from atop.core.files import provided, writing
from atop.core.values import Dict
from atop.experiment.workload import Operation
from atop.operations.cost import machines
from atop.operations.cost.machines import Machine

START = "start"
"""Key of the time before a job begins its work: Python, torch, the device."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The rate of an operation.

    Attributes:
        ms: milliseconds for an image, each draw of it counted.
        peak_mb: peak memory in MiB.
        small_batch: whether batches were smaller than a job's.
        weights_mb: MiB of the file of the trained network; 0 without training.
    """

    ms: float
    peak_mb: float
    small_batch: bool = False
    weights_mb: float = 0.0


class Rates:
    """The rates of a machine, as far as they are known."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.rows: dict[str, Dict] = {}
        if (file := provided(machine.file)).exists():
            self.rows = machines.read(file)["rows"]

    def of(self, operation: Operation) -> Rate | None:
        """The rate of an operation, if it is known."""
        row = self.rows.get(self._key(operation), {})
        values = {key: row[key] for key in Rate.__annotations__ if key in row}
        return Rate(**values) if values else None

    @property
    def start(self) -> float | None:
        """Seconds until a job begins its work, if they are known."""
        return self.rows.get(START, {}).get("seconds")

    def unknown(self, operations: Iterable[Operation]) -> list[Operation]:
        """Those of some operations whose rate is not known, one of each kind."""
        by_key = {self._key(operation): operation for operation in operations}
        return [operation for key, operation in by_key.items() if key not in self.rows]

    def add(self, operation: Operation, rate: Rate) -> None:
        """Keep a rate, on disk too."""
        self._put(self._key(operation), {"about": str(operation)} | _short(rate))

    def add_start(self, seconds: float) -> None:
        """Keep the seconds until a job begins its work."""
        self._put(START, {"about": "start of a job", "seconds": round(seconds, 2)})

    @property
    def source(self) -> str:
        """Their file, and the dates and versions of their measurement."""
        dates = sorted({row["date"] for row in self.rows.values()})
        versions = ", ".join(sorted({row["torch"] for row in self.rows.values()}))
        when = " to ".join(dict.fromkeys([*dates[:1], *dates[-1:]]))
        return f"{self.machine.file}, measured {when} with torch {versions}"

    def _key(self, operation: Operation) -> str:
        threads = "" if self.machine.cuda else f"-{self.machine.threads}"
        return operation.key + threads

    def _put(self, key: str, row: Dict) -> None:
        source = {"torch": version("torch"), "date": datetime.now(UTC).date().isoformat()}
        threads = {} if self.machine.cuda else {"threads": self.machine.threads}
        self.rows[key] = {**row, **threads, **source}
        _write(self.machine, self.rows)


def _write(machine: Machine, rows: dict[str, Dict]) -> None:
    """Write one line a row, since these files are committed."""
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in rows.items())
    device, cuda = json.dumps(machine.device), json.dumps(machine.cuda)
    with writing(machine.file) as temporary:
        text = f'{{\n "device": {device},\n "cuda": {cuda},\n "rows": {{\n{lines}\n }}\n}}\n'
        temporary.write_text(text)


def _short(rate: Rate) -> Dict:
    row: Dict = {"ms": float(f"{rate.ms:.4g}"), "peak_mb": round(rate.peak_mb)}
    row |= {"small_batch": True} if rate.small_batch else {}
    return row | ({"weights_mb": round(rate.weights_mb, 2)} if rate.weights_mb else {})
