"""Describe attack budgets as text: of one attack, and of a column of a table."""

from collections.abc import Iterable
from typing import Any

from atop.core.values import Dict
from atop.experiment.cells import TARGETS
from atop.experiment.presets import Preset
from atop.experiment.settings.attacks import AttackSpec, parse_entry
from atop.experiment.tables import Column, Table, are_clean
from atop.results.records import budget_of, evaluation

_PHRASES = {
    **{key: f"{{}} {key}" for key in ("steps", "queries", "targets", "restarts")},
    "step_size": "step {}",
    "eot": "EOT {}",
    "attack": "{}",
    "judge": "{} judge draws",
    "examples": "{} images",
    "pixels": "at {}",
}
_PHRASES_OF_VALUES = {
    ("through", "exact"): "exact gradients",
    ("through", "bpda"): "BPDA",
    ("through", "fixed"): "one fixed, known draw",
    ("through", "purified"): "distance of the purified image",
    ("random_start", "True"): "random start",
    ("random_start", "False"): "no random start",
    ("average", "hardest"): "the hardest draw",
    ("schedule", "cosine"): "cosine schedule",
    ("rescale", "True"): "schedule rescaled to the queries",
    ("version", "official"): "gated as in the library",
}
_DEFAULTS: Dict = {
    "eot": 1,
    "random_start": True,
    "loss": "cross_entropy",
    "average": "loss",
    "restarts": 1,
    "judge": 1,
    "through": "exact",
    "examples": "all",
    "pixels": "the size of its inputs",
    "rescale": False,
    "schedule": "constant",
    "version": "judged",
}
"""Values that a budget without the key has; a text does not mention them."""
_NOT_OPTIONS = ("method", "scaled", "after", "norm", "eps", "bound", "pixels")
_ORDER = ("attack", "loss", "step_size", "steps", "queries", "eot", "targets", "restarts", "judge")
"""Options that come first in a text, in this order."""


def text(budget: AttackSpec, preset: Preset) -> str:
    """Describe a budget, such as "Linf 8/255, step 2/255, 50 steps (paper preset: 1000)".

    The text of an attack that starts from another attack's images begins with that attack.
    """
    *before, last = preset.chain(budget)
    # All attacks of a chain have the same images and judge draws.
    links = [*(_options(link, silent=("examples", "judge")) for link in before), _options(last)]
    area = " ".join(filter(None, (ball(budget), size(budget))))
    options = "; then ".join(", ".join(link) for link in links if link)
    return ", ".join(filter(None, (area, options)))


def ball(budget: AttackSpec) -> str:
    """Return the ball of an attack, such as "L2 0.5"; empty for clean images."""
    if budget.norm:
        return f"{budget.norm} {_phrase(budget, 'eps', '{}') or 'without bound'}"
    return _phrase(budget, "bound", "flow {}")


def size(budget: AttackSpec) -> str:
    """Return the side length of the images in which the ball is measured, if a budget has one."""
    return _phrase(budget, "pixels")


def size_text(pixels: int | str) -> str:
    """Return a side length as `size` does."""
    return _describe("pixels", pixels)


def changes(budget: AttackSpec) -> list[str]:
    """Return the values that a preset changed, except the image size and the judge draws."""
    values, silent = budget.given(), ("pixels", "judge")
    keys = [key for key in budget.scaled if key not in silent and values.get(key) is not None]
    return [_describe(key, values[key]) for key in keys]


def reduced(budgets: Iterable[AttackSpec], preset: Preset, *, fewer: bool = False) -> list[str]:
    """Return ["scaled down"] if attacks are missing or a preset changed one of their chains."""
    links = [link for budget in budgets for link in preset.chain(budget)]
    return ["scaled down"] if fewer or any(link.scaled for link in links) else []


def as_run(table: Table, column: Column, records: Iterable[Dict]) -> dict[str, AttackSpec]:
    """Return a column's budgets by entry: from the first record with the entry, or the config."""
    available, budgets = list(records), {}
    for entry in column.entries:
        evaluated = next(filter(None, (evaluation(record, entry) for record in available)), None)
        attack = table.preset.attack(parse_entry(entry, "").attack)
        budgets[entry] = budget_of(evaluated) if evaluated else attack
    return budgets


def column_text(table: Table, column: Column, budgets: dict[str, AttackSpec]) -> str:
    """Describe a column's budget; a worst case lists its attacks instead."""
    if len(column.listed) == 1:
        return "".join(entry_text(table, entry, budget) for entry, budget in budgets.items())
    groups = (budgets, column.left_out)
    run, left_out = (", ".join(label(table, entry) for entry in group) for group in groups)
    worst = f"for each image the worst of {run}"
    return f"{worst}; preset {table.preset} leaves out {left_out}" if left_out else worst


def entry_text(table: Table, entry: str, budget: AttackSpec) -> str:
    """Describe an entry's budget, and the target if the entry names one."""
    about, target = text(budget, table.preset), parse_entry(entry, "").target
    return f"{about}, made on {TARGETS[target]}" if target else about


def label(table: Table, entry: str) -> str:
    """Return the label of an entry's own column; the entry itself if it has none."""
    if are_clean([entry]):
        return "clean images"
    for column in table.columns:
        if column.listed == (entry,) and column.metric == "mean":
            return column.label
    return entry


def _options(budget: AttackSpec, silent: tuple[str, ...] = ()) -> list[str]:
    """Describe a budget except ball and size; defaults only where a preset changed them."""
    return [
        phrase
        for key, value in sorted(budget.given().items(), key=_position)
        if key not in (*_NOT_OPTIONS, *silent)
        if key in budget.scaled or key not in _DEFAULTS or value != _DEFAULTS[key]
        if (phrase := _phrase(budget, key))
    ]


def _position(option: tuple[str, Any]) -> int:
    return _ORDER.index(option[0]) if option[0] in _ORDER else len(_ORDER)


def _phrase(budget: AttackSpec, key: str, form: str = "") -> str:
    """Describe a value of a budget, with the paper preset's value where a preset changed it."""
    value, scaled = budget.given().get(key), budget.scaled
    if value is None:
        return ""
    phrase = form.format(value) if form else _describe(key, value)
    return phrase + (f" (paper preset: {_value(key, scaled[key])})" if key in scaled else "")


def _describe(key: str, value: Any) -> str:
    if phrase := _PHRASES_OF_VALUES.get((key, str(value))):
        return phrase
    return _PHRASES.get(key, key.replace("_", " ") + " {}").format(_value(key, value))


def _value(key: str, value: Any) -> str:
    if key == "pixels" and value == "native":
        return "the data's size"
    if key == "pixels" and isinstance(value, int):
        return f"{value} pixels"
    return str(_DEFAULTS.get(key, "none") if value is None else value)
