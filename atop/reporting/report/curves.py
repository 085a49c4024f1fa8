"""Training curves: accuracies and losses of the stages, over the images seen."""

from collections.abc import Iterator
from itertools import chain

import numpy as np

from atop.core.values import Dict
from atop.reporting.report import authors_log
from atop.reporting.report.charts import HERE, LOG, training
from atop.reporting.report.trained import Stage

POINTS = 60
"""Number of points of a loss, each the mean over consecutive steps."""


def curves(stages: list[Stage]) -> Dict:
    """Return charts of accuracies and losses, as far as logged, and what the page says of them.

    Returns:
        `charts`; `validation`, the sizes of the validation splits; `log`, how the authors' log
        differs, empty if no stage matches it; `files`, cells with the files behind the curves;
        `without_accuracy`, cells of stages that logged losses only; `without_log`.
    """
    shown = sorted(stages, key=lambda stage: (not stage.logged, not stage.validation))
    accuracies = list(chain.from_iterable(map(_accuracies, shown)))
    losses = list(chain.from_iterable(map(_losses, shown)))
    charts = (
        training(accuracies, key="accuracy", axis="accuracy in %", points=True),
        training(losses, key="loss", axis="loss", points=False),
    )
    return {
        "charts": [chart for chart in charts if chart],
        "validation": sorted({stage.validation for stage in stages if stage.validation}),
        "log": authors_log.ABOUT if any(line["source"] == LOG for line in accuracies) else "",
        "files": [(stage.cell, str(stage.file)) for stage in stages if stage.provenance],
        "without_accuracy": [stage.cell for stage in stages if stage.history and not stage.points],
        "without_log": [stage.cell for stage in stages if not stage.history],
    }


def _accuracies(stage: Stage) -> Iterator[Dict]:
    """Yield accuracies in percent: on the validation split, on training batches, the authors'."""
    for line in stage.points:
        for name, value in line.items():
            if name != "step":
                yield _line(stage, line["step"], name, value)
    for step, value in _thinned(stage.history, "accuracy"):
        yield _line(stage, step, "in training", 100 * value)
    for line in authors_log.accuracies() if stage.logged and stage.points else ():
        for name in line.keys() & stage.points[0].keys():
            about = {"cell": stage.cell, "images": line["images"], "name": name}
            yield about | {"value": line[name], "label": f"{LOG}: {name}", "source": LOG}


def _losses(stage: Stage) -> Iterator[Dict]:
    for name in dict.fromkeys(chain.from_iterable(stage.history)):
        if name not in ("step", "accuracy"):
            for step, value in _thinned(stage.history, name):
                yield _line(stage, step, name, value)


def _thinned(lines: list[Dict], name: str) -> list[tuple[float, float]]:
    """Return at most POINTS steps and values of a name, each the mean over consecutive lines."""
    points = np.array([(line["step"], line[name]) for line in lines if name in line])
    parts = np.array_split(points, min(POINTS, len(points))) if len(points) else []
    return [tuple(part.mean(axis=0).tolist()) for part in parts]


def _line(stage: Stage, step: float, name: str, value: float) -> Dict:
    about = {"cell": stage.cell, "images": round(step * stage.batch), "name": name, "label": name}
    return about | {"value": float(f"{value:.4g}"), "source": HERE}
