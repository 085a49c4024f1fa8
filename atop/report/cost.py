"""What each cell cost: time and memory of its training, of attacks on it, of its evaluation."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from atop.report.trained import Stage

Dict = dict[str, Any]
Steps = dict[tuple[str, str], Dict]

KINDS = ("training", "attacks", "evaluation")


def lines(records: dict[Path, Dict], stages: list[Stage]) -> list[Dict]:
    """A line per cell, each step counted once, at the cell that it was made for.

    Returns:
        `cell`, seconds by kind of step (KINDS) and in all, `memory` (the largest peak in MB)
        and `devices`.
    """
    found: dict[str, Steps] = defaultdict(dict)
    for stage in stages:
        if stage.provenance:
            found[stage.cell]["training", stage.cell] = stage.provenance
    for path, record in records.items():
        cell = record["cell"]["id"]
        found[cell]["evaluation", str(path)] = record["provenance"]
        for one in record["evaluations"]:
            made = one["adversarial"] or {}
            if made.get("provenance"):
                victim = made.get("victim", {}).get("id", cell)
                found[victim]["attacks", made["sha256"]] = made["provenance"]
    return [_line(cell, steps) for cell, steps in found.items()]


def _line(cell: str, steps: Steps) -> Dict:
    seconds = dict.fromkeys(KINDS, 0.0)
    for (kind, _), one in steps.items():
        seconds[kind] += one.get("wall_s") or 0
    return {
        "cell": cell,
        **seconds,
        "all": sum(seconds.values()),
        "memory": max(one.get("peak_memory_mb") or 0 for one in steps.values()),
        "devices": ", ".join(dict.fromkeys(str(one.get("device", "")) for one in steps.values())),
    }
