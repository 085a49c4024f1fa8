"""What runs in place of the cell that a file names: a preset's stand-ins and a user's words."""

from dataclasses import fields, replace

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import Cell

FIRST: Dict = {one.name: one.default for one in fields(Cell)}
"""What a cell has where a file says nothing."""


def stand_in(named: Cell, preset: str, words: Dict) -> Cell:
    """The cell that a preset runs where a file names one.

    Args:
        named: the cell as the file names it.
        preset: whose stand-ins take the place of its data and networks.
        words: the user's init, recipe or seed, for a cell that is trained; one that a file gives
            another recipe or seed than the first keeps it.
    """
    chosen = config.preset(preset)
    changes: Dict = {
        "dataset": chosen.dataset.get(named.dataset, named.dataset),
        "classifier": chosen.classifier.get(named.classifier, named.classifier),
    }
    if not named.undefended:
        kept = {"init"} | {key for key in ("recipe", "seed") if getattr(named, key) != FIRST[key]}
        changes |= {key: word for key, word in words.items() if key not in kept}
    if named.purifies:
        changes["init"] = _init(named, preset, words.get("init"))
    return replace(named, **changes).shared


def _init(named: Cell, preset: str, said: str | None) -> str:
    """The user's, if there is one of that name for its purifier; the preset's, or its own."""
    if said and said in config.inits(named.purifier, preset):
        return said
    return config.preset(preset).init.get(named.init, named.init)
