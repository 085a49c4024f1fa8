"""The config as typed, frozen models: the only source of what a key may be."""

from typing import Any

from atop.experiment.settings.attacks import Attacks
from atop.experiment.settings.inputs import Checkpoints, Classifiers, Datasets, Transforms
from atop.experiment.settings.presets import Preset
from atop.experiment.settings.recipes import Recipes
from atop.experiment.settings.shown import (
    Deviations,
    ImageGrids,
    QueueSpec,
    TableSpec,
    UserConfig,
)

MODELS: dict[str, Any] = {
    "attacks": Attacks,
    "checkpoints": Checkpoints,
    "classifiers": Classifiers,
    "config": UserConfig,
    "datasets": Datasets,
    "deviations": Deviations,
    "pictures": ImageGrids,
    "preset": Preset,
    "queue": QueueSpec,
    "recipes": Recipes,
    "table": TableSpec,
    "transforms": Transforms,
}
"""By file of workflow/config; of presets/ and tables/ by what a file there is."""
