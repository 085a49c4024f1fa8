"""Stages of training by hand, and what a training leaves beside its weights."""

from pathlib import Path
from typing import Any

from atop.core.files import write_json
from atop.experiment import paths
from atop.reporting.report.trained import Stage


def stage(**changes: Any) -> Stage:
    """A stage without a history, changed."""
    plain: dict[str, Any] = {
        "cell": "a", "file": Path("a.json"), "history": [], "batch": 8, "points": [],
        "validation": 0, "provenance": {}, "logged": False,
    }  # fmt: skip
    return Stage(**{**plain, **changes})


def write_training(results: Path, weights: Path, batch: int, **changes: Any) -> None:
    """The metadata of a training, beside weights that are not there."""
    about: dict[str, Any] = {"settings": {"budget": {"batch": batch}}, "provenance": {"wall_s": 7}}
    path = results / weights.relative_to(paths.RESULTS).with_suffix(".json")
    write_json(path, {**about, "history": [{"step": 3, "loss": 2.0}], **changes})
