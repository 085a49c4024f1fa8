"""Rates: seconds and memory that passes take on a device, as results/benchmarks/ holds them.

A device has one file there, with a row for each pass that was measured on it. Whoever wants a pass
measured again deletes its row.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from atop.core.files import writing
from atop.core.values import Dict
from atop.operations.cost import machines
from atop.operations.cost.machines import Machine
from atop.operations.cost.passes import Pass, key_of

START = "start"
"""Key of what a job takes before it does anything: Python, torch, the device."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What a pass takes.

    Attributes:
        ms: milliseconds for each picture, each draw of it counted.
        peak_mb: peak memory in MiB.
        few: whether there were fewer pictures at a time than a job takes.
        weights_mb: MiB of the file of the network that learns; 0 where none does.
    """

    ms: float
    peak_mb: float
    few: bool = False
    weights_mb: float = 0.0


class Rates:
    """The rates of a machine, as far as they are known."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.rows: dict[str, Dict] = {}
        if machine.file.exists():
            self.rows = machines.read(machine.file)["rows"]

    def of(self, one: Pass) -> Rate | None:
        """The rate of a pass, if it is known."""
        row = self.rows.get(self._key(one), {})
        told = {key: row[key] for key in Rate.__annotations__ if key in row}
        return Rate(**told) if told else None

    @property
    def start(self) -> float | None:
        """Seconds that a job takes to start, if they are known."""
        return self.rows.get(START, {}).get("seconds")

    def lacking(self, passes: Iterable[Pass]) -> list[Pass]:
        """Those of some passes that are not known, one of each kind."""
        found = {self._key(one): one for one in passes}
        return [one for key, one in found.items() if key not in self.rows]

    def add(self, one: Pass, rate: Rate) -> None:
        """Keep a rate, on disk too."""
        self._put(self._key(one), {"about": one.words} | _short(rate))

    def add_start(self, seconds: float) -> None:
        """Keep how long a job takes to start."""
        self._put(START, {"about": "start of a job", "seconds": round(seconds, 2)})

    @property
    def told(self) -> str:
        """Where they lie, and when and with what they were measured."""
        dates = sorted({row["date"] for row in self.rows.values()})
        versions = ", ".join(sorted({row["torch"] for row in self.rows.values()}))
        when = " to ".join(dict.fromkeys([*dates[:1], *dates[-1:]]))
        return f"{self.machine.file}, measured {when} with torch {versions}"

    def _key(self, one: Pass) -> str:
        key = key_of(one)
        return key if self.machine.cuda else f"{key}-{self.machine.threads}"

    def _put(self, key: str, row: Dict) -> None:
        made = {"torch": version("torch"), "date": datetime.now(UTC).date().isoformat()}
        threads = {} if self.machine.cuda else {"threads": self.machine.threads}
        self.rows[key] = {**row, **threads, **made}
        _write(self.machine, self.rows)


def _write(machine: Machine, rows: dict[str, Dict]) -> None:
    """A line a row: these files are committed."""
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in rows.items())
    device, cuda = json.dumps(machine.device), json.dumps(machine.cuda)
    with writing(machine.file) as temporary:
        text = f'{{\n "device": {device},\n "cuda": {cuda},\n "rows": {{\n{lines}\n }}\n}}\n'
        temporary.write_text(text)


def _short(rate: Rate) -> Dict:
    row: Dict = {"ms": float(f"{rate.ms:.4g}"), "peak_mb": round(rate.peak_mb)}
    row |= {"few": True} if rate.few else {}
    return row | ({"weights_mb": round(rate.weights_mb, 2)} if rate.weights_mb else {})
