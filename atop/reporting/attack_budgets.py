"""Budgets of attacks in words: of one attack, and of a table's column."""

from collections.abc import Iterable
from typing import Any

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import VICTIMS
from atop.experiment.tables import Column, Table
from atop.results.records import evaluation

_WORDS = {
    "step_size": "step {}",
    "steps": "{} steps",
    "eot": "EOT {}",
    "attack": "{}",
    "queries": "{} queries",
    "targets": "{} targets",
    "loss": "loss {}",
    "restarts": "{} restarts",
    "judge": "{} judge draws",
    "examples": "{} pictures",
    "pixels": "at {}",
}
_WHOLE = {
    ("through", "exact"): "exact gradients",
    ("through", "bpda"): "BPDA",
    ("through", "fixed"): "one fixed, known draw",
    ("through", "purified"): "distance of the purified image",
    ("random_start", "True"): "random start",
    ("random_start", "False"): "no random start",
    ("average", "logits"): "average logits",
    ("average", "probabilities"): "average probabilities",
    ("average", "hardest"): "the hardest draw",
    ("schedule", "cosine"): "cosine schedule",
    ("average", "loss"): "average loss",
    ("rescale", "True"): "schedule rescaled to them",
    ("version", "official"): "as the library gates it",
}
# What a budget means that does not say so, and what it need not say.
_USUAL: Dict = {
    "eot": [1],
    "random_start": [True],
    "loss": ["cross_entropy"],
    "average": ["loss"],
    "restarts": [1],
    "judge": [1],
    "through": ["exact"],
    "examples": ["all"],
    "pixels": ["the size of its inputs"],
    "rescale": [False],
    "schedule": ["constant"],
    "version": ["judged"],
}
_ELSEWHERE = ("method", "scaled", "after", "norm", "eps", "bound", "pixels")


def text(budget: Dict, preset: str) -> str:
    """A budget in words, such as "Linf 8/255, step 2/255, 50 steps (paper preset: 1000)".

    An attack that goes on from another's pictures begins with the budget of that one.
    """
    *before, last = config.chain(budget, preset)
    # How many pictures and who judges them is the same all along.
    links = [*(_options(one, silent=("examples", "judge")) for one in before), _options(last)]
    area = " ".join(filter(None, (ball(budget), size(budget))))
    options = "; then ".join(", ".join(link) for link in links if link)
    return ", ".join(filter(None, (area, options)))


def ball(budget: Dict) -> str:
    """How far an attack may go, such as "L2 0.5"; nothing for clean pictures."""
    if "norm" in budget:
        return f"{budget['norm']} {_phrase(budget, 'eps', '{}') or 'without bound'}"
    return _phrase(budget, "bound", "flow {}")


def size(budget: Dict) -> str:
    """The side length in which the ball is measured, if a budget says one."""
    return _phrase(budget, "pixels")


def changes(budget: Dict) -> list[str]:
    """What a preset changed, as it is run; the size of the pictures and the judge's draws apart."""
    keys = [key for key in budget.get("scaled", {}) if key not in ("pixels", "judge")]
    return [_words(key, budget[key]) for key in keys if budget.get(key) is not None]


def reduced(budgets: Iterable[Dict], preset: str, *, fewer: bool = False) -> list[str]:
    """A word if there are fewer budgets, or a preset changed one or what it goes on from."""
    links = [link for one in budgets for link in config.chain(one, preset)]
    return ["scaled down"] if fewer or any("scaled" in link for link in links) else []


def as_run(table: Table, column: Column, records: Iterable[Dict]) -> dict[str, Dict]:
    """Budgets of a column by entry: of the first record that has the entry, else of the config."""
    held, budgets = list(records), {}
    for entry in column.entries:
        found = [one for record in held if (one := evaluation(record, entry))]
        attack, _ = config.entry(entry, column.target)
        budgets[entry] = found[0]["budget"] if found else config.attack(attack, table.preset)
    return budgets


def of_column(table: Table, column: Column, run: dict[str, Dict]) -> str:
    """A column's budgets by entry, in words; a worst case names its attacks instead."""
    if len(column.listed) == 1:
        return "".join(of_entry(table, entry, budget) for entry, budget in run.items())
    told = f"each picture's worst of {', '.join(name(table, entry) for entry in run)}"
    if not column.left_out:
        return told
    missing = ", ".join(name(table, entry) for entry in column.left_out)
    return f"{told}; preset {table.preset} leaves out {missing}"


def of_entry(table: Table, entry: str, budget: Dict) -> str:
    """An entry's budget in words, and its victim if the entry names one."""
    told, (_, victim) = text(budget, table.preset), config.entry(entry, "")
    return f"{told}, made on {VICTIMS[victim]}" if victim else told


def name(table: Table, entry: str) -> str:
    """What a table calls an entry: the label of its own column if it has one, else the entry."""
    rows = config.read("attacks")["attacks"]
    if rows.get(entry, {}).get("method") == "clean":
        return "clean pictures"
    for column in table.columns:
        if column.listed == (entry,) and column.metric == "mean":
            return column.label
    return entry


def _options(budget: Dict, silent: tuple[str, ...] = ()) -> list[str]:
    """What a budget says beyond ball and size; the usual only if a preset made it so."""
    scaled = budget.get("scaled", {})
    keys = [key for key in budget if key not in (*_ELSEWHERE, *silent)]
    told = [key for key in keys if budget[key] not in _USUAL.get(key, []) or key in scaled]
    return [_phrase(budget, key) for key in told if budget[key] is not None]


def _phrase(budget: Dict, key: str, words: str = "") -> str:
    """A key of a budget in words, with what the paper preset says where another changed it."""
    if budget.get(key) is None:
        return ""
    told = words.format(budget[key]) if words else _words(key, budget[key])
    scaled = budget.get("scaled", {})
    return told + (f" (paper preset: {_value(key, scaled[key])})" if key in scaled else "")


def _words(key: str, value: Any) -> str:
    whole = _WHOLE.get((key, str(value)))
    return whole or _WORDS.get(key, key.replace("_", " ") + " {}").format(_value(key, value))


def _value(key: str, value: Any) -> str:
    if key == "pixels" and value == "native":
        return "the data's size"
    if key == "pixels" and isinstance(value, int):
        return f"{value} pixels"
    return str(_USUAL.get(key, ["none"])[0] if value is None else value)
