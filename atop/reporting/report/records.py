"""Where numbers come from: each record in words, with the hashes of all that made it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from atop.core.values import Dict
from atop.experiment.tables import Column, Row
from atop.reporting import attack_budgets
from atop.reporting.aggregate import Aggregate
from atop.results import checks
from atop.results.records import data

STEP = (
    "created",
    "device",
    "processor",
    "threads",
    "compute",
    "wall_s",
    "peak_memory_mb",
    "code_sha",
    "commit",
)


def slug(path: Path) -> str:
    """The anchor of a record on the page."""
    return f"{path.parent.name}-{path.stem}"


def anchors(whole: Aggregate, row: Row, columns: Iterable[Column]) -> list[str]:
    """Of the records behind a row's numbers, each once."""
    found = (whole.table.record(row, column) for column in columns)
    return list(dict.fromkeys(slug(path) for path in found if path in whole.records))


def entry(path: Path, record: Dict) -> Dict:
    """A record as headed lists of names and texts, and its attacks as lines of a table."""
    own = record["provenance"]
    lists = {
        "What was measured": _measured(record),
        "Evaluation": {**_step(own), "checkpoints": own["checkpoints"]},
        "Software": own["versions"],
    }
    if record.get("training"):
        settings = dict(record["training"]["settings"])
        settings.pop("cell", None)
        lists["Training"] = _step(record["training"]["provenance"]) | settings
    return {
        "anchor": slug(path),
        "path": str(path),
        "cell": record["cell"]["id"],
        "suite": record["suite"],
        "target": record["target"],
        "lists": {name: dict(_flat(values)) for name, values in lists.items()},
        "attacks": [_attack(one, record["preset"]) for one in record["evaluations"]],
        "findings": [(one["name"], one["text"]) for one in checks.findings(record)],
    }


def _measured(record: Dict) -> Dict:
    names = ("preset", "suite", "target", "victim", "n", "draws", "selection", "seed")
    told = {name: record.get(name) for name in names}
    told |= {"data": data(record), "config digest": record["provenance"].get("config_digest")}
    parts = ("networks", "sizes", "transform")
    return told | {name: record.get(name) for name in parts}


def _step(provenance: Dict) -> Dict:
    return {name: provenance.get(name) for name in STEP}


def _attack(one: Dict, preset: str) -> Dict:
    """An attack: budget, set and cost; what clean pictures lack is empty."""
    made = one["adversarial"] or {}
    step = made.get("provenance", {})
    return {
        "attack": one["attack"],
        "budget": attack_budgets.text(one["budget"], preset),
        "victim": made.get("victim", {}).get("id", ""),
        "sha256": made.get("sha256", ""),
        "code": step.get("code_sha", ""),
        "seconds": step.get("wall_s", ""),
    }


def _flat(values: Dict, before: str = "") -> Iterator[tuple[str, str]]:
    """Nested names and values as one level; what is not known is left out."""
    for name, value in values.items():
        words = f"{before}{str(name).replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _flat(value, f"{words}: ")
        elif value is not None:
            yield words, str(value)
