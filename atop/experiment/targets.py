"""Targets: the cell that an entry of a suite attacks, and the entries that a cell's parts allow."""

from collections.abc import Iterable
from dataclasses import replace

from atop.experiment import config
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.settings.attacks import Entry, Suite, parse_entry

_OF_PARTS = ("bpda", "purified")
"""Surrogates that need a defence's t and g."""


def target_of(cell: Cell, kind: str) -> Cell:
    """The cell that is attacked in an evaluation of another.

    An external defence has no parts here, but may name the classifier inside it (`inside`).

    Raises:
        AtopError: another kind than those of cells.TARGETS.
    """
    target, inside = cell.target(kind), _inside(cell)
    return replace(cell, classifier=inside) if inside and kind == "classifier" else target


def applicable(suite: Suite, cell: Cell, preset: Preset, target: str) -> Suite:
    """The suite without the entries that need parts which a cell does not have."""
    if not is_external(cell):
        return suite
    kept = [each.text for each in suite.entries(target) if applies(each, cell, preset)]
    return suite.model_copy(update={"attacks": tuple(kept)})


def applies(entry: Entry, cell: Cell, preset: Preset) -> bool:
    """Whether an entry says something else about a cell than the same attack on all of it."""
    if not is_external(cell):
        return True
    attack = preset.attack(entry.attack)
    after = preset.attack(attack.after) if attack.after else None
    if attack.through in _OF_PARTS or (after and after.through in _OF_PARTS):
        return False
    return entry.target == "defense" or (entry.target == "classifier" and _named(entry, cell))


def lacks_part(cell: Cell, entries: Iterable[str], target: str, preset: Preset) -> str | None:
    """Say which part of a defence some attacks need and a cell does not have; None if it has it."""
    parsed = [parse_entry(text, target) for text in entries]
    if not is_external(cell) or any(preset.attack(each.attack).clean for each in parsed):
        return None
    if target == "classifier" and not _inside(cell):
        file = f"{config.folder()}/classifiers.yaml"
        return f"{file}: {cell.classifier} names no classifier `inside`, which this attacks"
    if not any(applies(each, cell, preset) for each in parsed):
        return f"not applicable: {cell.classifier} has no such part"
    return None


def is_external(cell: Cell) -> bool:
    """Whether a cell is a module of the user's, with no t and g of this suite before it."""
    return cell.undefended and config.classifier(cell.classifier).external


def _inside(cell: Cell) -> str | None:
    return config.classifier(cell.classifier).inside if is_external(cell) else None


def _named(entry: Entry, cell: Cell) -> bool:
    """A suite on bare classifiers attacks an external one itself if it names no other."""
    return bool(_inside(cell)) or "@" not in entry.text
