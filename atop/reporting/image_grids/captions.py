"""What is written in and beside a grid: headings, the caption, a sentence for who cannot see it."""

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.image_grids import Block, Grid, Panel
from atop.reporting import attack_budgets
from atop.results.stored_images import ImagesByCell, StoredImages

_SHOWN = {
    "picture": "the picture as handed in",
    "perturbation": "its perturbation",
    "noisy": "the noisy picture",
    "masked": "the masked picture",
    "completed": "the completed pixels",
    "purified": "the purified picture",
}


def class_name(dataset: str, label: int) -> str:
    """What a label of a dataset is called."""
    known = config.read("pictures")["classes"].get(config.whole(dataset), [])
    return known[label] if label < len(known) else f"class {label}"


def heading(block: Block, stored: StoredImages, position: int) -> str:
    """Which test picture a part of a block shows."""
    index, label = (stored.metadata[key][position] for key in ("indices", "labels"))
    name = class_name(stored.metadata["cell"]["dataset"], label)
    return f"{block.label}, test picture {index}: {name}"


def title(panel: Panel) -> str:
    """What stands above a panel."""
    factor = config.read("pictures")["amplified"]
    return f"{panel.title} ×{factor:g}" if panel.show == "perturbation" else panel.title


def below(panel: Panel, stored: StoredImages, position: int) -> tuple[str, bool] | None:
    """The class that a panel's picture was given, and whether it is right; None if none was."""
    told = stored.prediction(panel.show, panel.of, position)
    if told is None:
        return None
    right = told == stored.metadata["labels"][position]
    name = class_name(stored.metadata["cell"]["dataset"], told)
    return f"{name} {'✓' if right else '✗'}", right


def subtitle(grid: Grid, blocks: list[Block]) -> str:
    """The preset, what stands in for data and networks, and the attack if one is shown."""
    parts = [f"Preset {grid.preset}"]
    parts += [f"{one.label} here {', '.join(one.instead)}" for one in blocks if one.instead]
    if any(panel.of == "adversarial" for block in blocks for panel in block.panels):
        ball = attack_budgets.ball(config.attack(grid.attack, grid.preset))
        parts.append(f"{grid.attack.upper()}, {ball}, on the bare classifier")
    return ". ".join(parts) + "."


def account(grid: Grid, blocks: list[Block], pictures: ImagesByCell, missing: list[str]) -> Dict:
    """All that a page says about a figure; `alt` is one sentence."""
    panels = [panel for block in blocks for panel in block.panels]
    shown = [words for show, words in _SHOWN.items() if any(p.show == show for p in panels)]
    kinds = " and ".join(dict.fromkeys(panel.of for panel in panels))
    count, data = len(grid.spec["positions"]), " and ".join(one.label for one in blocks)
    alt = (
        f"Grid of {kinds} test pictures of {data}, {count} of each: {', '.join(shown)}; "
        f"{_rights(grid, blocks, pictures)}."
    )
    caption = (
        f"{subtitle(grid, blocks)} The first draw of the evaluation. Below a picture stands what "
        "the bare classifier says of it, below a purified one what the whole defence says."
    )
    return {
        "name": grid.name,
        "preset": grid.preset,
        "title": grid.title,
        "caption": caption,
        "alt": alt,
        "missing": missing,
        "cells": [cell.id for block in blocks for cell in block.cells],
    }


def _rights(grid: Grid, blocks: list[Block], pictures: ImagesByCell) -> str:
    """How many of the purified pictures shown are classified rightly, by kind."""
    said = []
    for kind in ("clean", "adversarial"):
        answers = [
            answer
            for block in blocks
            for panel in block.panels
            if panel.show == "purified" and panel.of == kind
            for position in grid.spec["positions"]
            if (answer := below(panel, pictures[panel.cell], position))
        ]
        if answers:
            right = sum(right for _, right in answers)
            said.append(f"{right} of {len(answers)} {kind} ones")
    return f"after purification the classifier is right on {' and '.join(said)}"
