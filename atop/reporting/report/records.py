"""Records on the page: their settings as text, and the hashes of everything behind them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from atop.core.values import Dict
from atop.experiment import presets
from atop.experiment.presets import Preset
from atop.experiment.tables import Column, Row
from atop.reporting import attack_budgets
from atop.reporting.aggregate import Aggregate
from atop.results import checks
from atop.results.records import budget_of, data

STEP = (
    "created", "device", "processor", "threads", "compute", "wall_s", "peak_memory_mb", "code_sha",
    "commit",
)  # fmt: skip


def slug(path: Path) -> str:
    """Return the anchor of a record on the page."""
    return f"{path.parent.name}-{path.stem}"


def anchors(aggregate: Aggregate, row: Row, columns: Iterable[Column]) -> list[str]:
    """Return the anchors of the records behind a row's numbers, each once."""
    paths = (aggregate.table.record(row, column) for column in columns)
    return list(dict.fromkeys(slug(path) for path in paths if path in aggregate.records))


def entry(path: Path, record: Dict) -> Dict:
    """Return a record as headed lists of names and texts, and its attacks as table lines."""
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
        "attacks": [
            _attack(attack, presets.get(record["preset"])) for attack in record["evaluations"]
        ],
        "findings": [(finding["name"], finding["text"]) for finding in checks.findings(record)],
    }


def _measured(record: Dict) -> Dict:
    names = ("preset", "suite", "target", "victim", "n", "draws", "selection", "seed")
    about = {name: record.get(name) for name in names}
    about |= {"data": data(record), "config digest": record["provenance"].get("config_digest")}
    return about | {name: record.get(name) for name in ("networks", "sizes", "transform")}


def _step(provenance: Dict) -> Dict:
    return {name: provenance.get(name) for name in STEP}


def _attack(evaluation: Dict, preset: Preset) -> Dict:
    """Return an attack's budget, set and cost; values that clean images lack are empty."""
    adversarial = evaluation["adversarial"] or {}
    step = adversarial.get("provenance", {})
    return {
        "attack": evaluation["attack"],
        "budget": attack_budgets.text(budget_of(evaluation), preset),
        "target": adversarial.get("victim", {}).get("id", ""),
        "sha256": adversarial.get("sha256", ""),
        "code": step.get("code_sha", ""),
        "seconds": step.get("wall_s", ""),
    }


def _flat(values: Dict, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested names and values as one level; unknown values are left out."""
    for key, value in values.items():
        name = f"{before}{str(key).replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}: ")
        elif value is not None:
            yield name, str(value)
