"""Cost of each cell: time and memory of its training, attacks and evaluation."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from atop.core.values import Dict
from atop.experiment import paths, presets
from atop.experiment.cells import Cell
from atop.experiment.settings.attacks import parse_entry
from atop.experiment.stages.plan import KINDS
from atop.experiment.targets import target_of
from atop.reporting.report.records import slug
from atop.reporting.report.trained import Stage
from atop.results import metadata
from atop.results.records import budget_of

Steps = dict[tuple[str, str], Dict]
"""Provenance of steps by kind and name."""


def cost(records: dict[Path, Dict], stages: list[Stage], results: Path) -> Dict:
    """Sum the cost of all steps; each step counts once, at the cell for which it was made.

    Args:
        records: by the path at which the workflow writes them.
        stages: the training stages behind them.
        results: folder with <preset>/adversarial: metadata of attacks from which others started
            is there only, not in a record.

    Returns:
        `lines`: `cell`, seconds by kind of step (KINDS) and in `all`, `least` (kinds with a
        resumed step, for which the time before is unknown), `memory` (the largest peak in MB),
        `devices`, `records` (anchors and names) and `trained`, whether it has a stage.
        `total`: the same sums of all cells. `uncounted`: number of sets without metadata.
    """
    cells: dict[str, Steps] = defaultdict(dict)
    unknown = set()
    for stage in stages:
        if stage.provenance:
            cells[stage.cell]["training", stage.cell] = stage.provenance
    for path, record in records.items():
        source = {"record": path}
        cells[record["cell"]["id"]]["evaluation", str(path)] = record["provenance"] | source
        for target, attack, about in _sets(record, results):
            if step := about.get("provenance"):
                resumed = {"resumed": about.get("resumed", False)}
                cells[target].setdefault(("attacks", attack), step | resumed | source)
            else:
                unknown.add((target, attack))
    counted = {(cell, name) for cell, steps in cells.items() for _, name in steps}
    return {
        "lines": [_line(cell, steps) for cell, steps in cells.items()],
        "total": _sums([item for steps in cells.values() for item in steps.items()]),
        "uncounted": len(unknown - counted),
    }


def _sets(record: Dict, results: Path) -> Iterator[tuple[str, str, Dict]]:
    """Yield target, attack and metadata of a record's sets and of the sets they started from."""
    cell, preset = Cell.parse(record["cell"]["id"]), presets.get(record["preset"])
    for evaluation in record["evaluations"]:
        budget = budget_of(evaluation)
        if budget.clean:
            continue
        entry = parse_entry(evaluation["attack"], record["target"])
        target = target_of(cell, entry.target)
        for after in (link.after for link in preset.chain(budget)[1:] if link.after):
            file = paths.adversarial(preset, target, after).with_suffix(".json")
            path = results / file.relative_to(paths.RESULTS)
            about = metadata.read(path, "provenance.wall_s") if path.exists() else {}
            yield target.id, after, about
        yield target.id, entry.attack, evaluation["adversarial"]


def _line(cell: str, steps: Steps) -> Dict:
    records = dict.fromkeys(step["record"] for step in steps.values() if "record" in step)
    own = [(slug(path), path.stem) for path in records if path.parent.name == cell]
    others = [(slug(path), f"{path.parent.name}/{path.stem}") for path in records]
    devices = dict.fromkeys(str(step.get("device", "")) for step in steps.values())
    return _sums(list(steps.items())) | {
        "cell": cell,
        "devices": ", ".join(devices),
        "records": own or others,
        "trained": any(kind == "training" for kind, _ in steps),
    }


def _sums(steps: list[tuple[tuple[str, str], Dict]]) -> Dict:
    """Return seconds by kind and in all, the kinds with unknown parts, and the largest peak."""
    seconds, least = dict.fromkeys((*KINDS, "all"), 0.0), set()
    for (kind, _), step in steps:
        for column in (kind, "all"):
            seconds[column] += step.get("wall_s") or 0
            least |= {column} if step.get("resumed") else set()
    memory = max((step.get("peak_memory_mb") or 0 for _, step in steps), default=0)
    return {**seconds, "least": least, "memory": memory}
