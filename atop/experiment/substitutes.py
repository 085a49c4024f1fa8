"""Substitutes: the cell that runs in place of the one that a file names."""

from dataclasses import fields, replace

from atop.core.values import Dict
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset

DEFAULTS: Dict = {field.name: field.default for field in fields(Cell)}
"""Values of a cell that names nothing."""


def substitute(named: Cell, preset: Preset, overrides: Dict) -> Cell:
    """The cell that a preset runs in place of a named one.

    Args:
        named: the cell as the file names it.
        preset: has substitutes for datasets, classifiers and inits.
        overrides: init, recipe or seed by the user, for cells that are trained. A recipe or seed
            that the file names, other than the default, stays.

    Returns:
        A cell without `trained_with` where the preset has one classifier for both.
    """
    settings = preset.settings
    classifier, other = (
        settings.classifier.get(name, name) for name in (named.classifier, named.trained_with)
    )
    merged = other == classifier and named.trained_with != named.classifier
    changes: Dict = {
        "dataset": settings.dataset.get(named.dataset, named.dataset),
        "classifier": classifier,
        "trained_with": "" if merged else other,
    }
    if not named.undefended:
        own = {key for key in ("recipe", "seed") if getattr(named, key) != DEFAULTS[key]}
        changes |= {key: overrides[key] for key in overrides if key not in {"init", *own}}
    if named.purifies:
        init = settings.init.get(named.init, named.init)
        wanted = overrides.get("init")
        changes["init"] = wanted if wanted in preset.inits(named.purifier) else init
    return replace(named, **changes).shared
