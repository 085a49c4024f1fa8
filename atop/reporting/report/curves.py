"""Curves of training stages: accuracies and losses along the pictures seen."""

from collections.abc import Iterator
from itertools import chain

import numpy as np

from atop.core.values import Dict
from atop.reporting.report import authors_log
from atop.reporting.report.charts import HERE, LOG, training
from atop.reporting.report.trained import Stage

POINTS = 60
"""So many points draw a loss, each the mean of a stretch of steps."""


def curves(stages: list[Stage]) -> Dict:
    """Charts of accuracy and of losses, as far as anything was logged, and what to say of them.

    Returns:
        `charts`; `held_out`, the numbers of held-out pictures; `log`, what differs in the authors'
        log, empty where no stage matches it; `files`, cells with the files of what is drawn;
        `unwatched`, cells of stages that logged losses alone; `untold`, of those without a log.
    """
    shown = sorted(stages, key=lambda stage: (not stage.logged, not stage.held_out))
    accuracies = list(chain.from_iterable(map(_accuracies, shown)))
    losses = list(chain.from_iterable(map(_losses, shown)))
    made = (
        training(accuracies, key="accuracy", axis="accuracy in %", points=True),
        training(losses, key="loss", axis="loss", points=False),
    )
    return {
        "charts": [chart for chart in made if chart],
        "held_out": sorted({stage.held_out for stage in stages if stage.held_out}),
        "log": authors_log.ABOUT if any(line["source"] == LOG for line in accuracies) else "",
        "files": [(stage.cell, str(stage.file)) for stage in stages if stage.provenance],
        "unwatched": [one.cell for one in stages if one.history and not one.points],
        "untold": [stage.cell for stage in stages if not stage.history],
    }


def _accuracies(stage: Stage) -> Iterator[Dict]:
    """In percent: on held-out pictures, on the batches of a classifier, and the authors'."""
    for line in stage.points:
        for name, value in line.items():
            if name != "step":
                yield _line(stage, line["step"], name, value)
    for step, value in _thinned(stage.history, "accuracy"):
        yield _line(stage, step, "in training", 100 * value)
    for line in authors_log.accuracies() if stage.logged and stage.points else ():
        for name in line.keys() & stage.points[0].keys():
            about = {"cell": stage.cell, "pictures": line["pictures"], "name": name}
            yield about | {"value": line[name], "told": f"{LOG}: {name}", "source": LOG}


def _losses(stage: Stage) -> Iterator[Dict]:
    for name in dict.fromkeys(chain.from_iterable(stage.history)):
        if name not in ("step", "accuracy"):
            for step, value in _thinned(stage.history, name):
                yield _line(stage, step, name, value)


def _thinned(lines: list[Dict], name: str) -> list[tuple[float, float]]:
    """Steps and values of a name, at most POINTS of them, each the mean of a stretch."""
    points = np.array([(line["step"], line[name]) for line in lines if name in line])
    parts = np.array_split(points, min(POINTS, len(points))) if len(points) else []
    return [tuple(part.mean(axis=0).tolist()) for part in parts]


def _line(stage: Stage, step: float, name: str, value: float) -> Dict:
    about = {"cell": stage.cell, "pictures": round(step * stage.batch), "name": name, "told": name}
    return about | {"value": float(f"{value:.4g}"), "source": HERE}
