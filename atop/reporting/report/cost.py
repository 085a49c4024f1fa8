"""What each cell cost: time and memory of its training, of attacks on it, of its evaluation."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from atop.core.values import Dict
from atop.experiment import config, paths
from atop.experiment.cells import Cell
from atop.experiment.steps import KINDS
from atop.reporting.report.records import slug
from atop.reporting.report.trained import Stage
from atop.results import metadata

Step = tuple[tuple[str, str], Dict]
"""Its kind and name; its account."""


def cost(records: dict[Path, Dict], stages: list[Stage], results: Path) -> Dict:
    """What was spent, each step counted once, at the cell that it was made for.

    Args:
        records: by the path at which the workflow makes them.
        stages: of training behind them.
        results: the folder that holds <preset>/adversarial, where an attack that another one went
            on from has its account; no record has it.

    Returns:
        `lines`: `cell`, seconds by kind of step (KINDS) and in all, `least` (kinds with a step
        that was resumed, of which the time before is not known), `memory` (the largest peak in MB),
        `devices`, `records` (anchors and names) and `trained`, whether it has a stage.
        `total`: the same of all, without a cell. `uncounted`: how many sets have no account.
    """
    found: dict[str, dict[tuple[str, str], Dict]] = defaultdict(dict)
    unknown = set()
    for stage in stages:
        if stage.provenance:
            found[stage.cell]["training", stage.cell] = stage.provenance
    for path, record in records.items():
        made_from = {"record": path}
        found[record["cell"]["id"]]["evaluation", str(path)] = record["provenance"] | made_from
        for victim, attack, account in _sets(record, results):
            if step := account.get("provenance"):
                resumed = {"resumed": account.get("resumed", False)}
                found[victim].setdefault(("attacks", attack), step | resumed | made_from)
            else:
                unknown.add((victim, attack))
    counted = {(victim, name) for victim, steps in found.items() for _, name in steps}
    return {
        "lines": [_line(cell, list(steps.items())) for cell, steps in found.items()],
        "total": _spent([step for steps in found.values() for step in steps.items()]),
        "uncounted": len(unknown - counted),
    }


def _sets(record: Dict, results: Path) -> Iterator[tuple[str, str, Dict]]:
    """Victim, attack and account of a record's sets and of those that they went on from."""
    cell, preset = Cell.parse(record["cell"]["id"]), record["preset"]
    for one in record["evaluations"]:
        if one["budget"]["method"] == "clean":
            continue
        last, which = config.entry(one["attack"], record["target"])
        victim = cell.victim(which)
        for link in config.chain(one["budget"], preset)[1:]:
            file = paths.adversarial(preset, victim, link["after"]).with_suffix(".json")
            here = results / file.relative_to(paths.RESULTS)
            account = metadata.read(here, "provenance.wall_s") if here.exists() else {}
            yield victim.id, link["after"], account
        yield victim.id, last, one["adversarial"]


def _line(cell: str, steps: list[Step]) -> Dict:
    behind = dict.fromkeys(one["record"] for _, one in steps if "record" in one)
    own = [(slug(path), path.stem) for path in behind if path.parent.name == cell]
    others = [(slug(path), f"{path.parent.name}/{path.stem}") for path in behind]
    return _spent(steps) | {
        "cell": cell,
        "devices": ", ".join(dict.fromkeys(str(one.get("device", "")) for _, one in steps)),
        "records": own or others,
        "trained": any(kind == "training" for (kind, _), _ in steps),
    }


def _spent(steps: list[Step]) -> Dict:
    """Seconds by kind and in all, which of them are too few, and the largest peak."""
    seconds, least = dict.fromkeys((*KINDS, "all"), 0.0), set()
    for (kind, _), one in steps:
        for column in (kind, "all"):
            seconds[column] += one.get("wall_s") or 0
            least |= {column} if one.get("resumed") else set()
    memory = max((one.get("peak_memory_mb") or 0 for _, one in steps), default=0)
    return {**seconds, "least": least, "memory": memory}
