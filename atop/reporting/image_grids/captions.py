"""Texts of an image grid: headings, titles, the caption and the alternative text."""

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.image_grids import Block, Grid, Panel
from atop.reporting import attack_budgets
from atop.results.stored_images import ImagesByCell, StoredImages

_SHOWN = {
    "image": "the input image",
    "perturbation": "its perturbation",
    "noisy": "the noisy image",
    "masked": "the masked image",
    "completed": "the completed pixels",
    "purified": "the purified image",
}


def class_name(dataset: str, label: int) -> str:
    """Return the name of a label of a dataset."""
    names = config.image_grids().classes.get(config.full_dataset(dataset), [])
    return names[label] if label < len(names) else f"class {label}"


def heading(block: Block, stored: StoredImages, position: int) -> str:
    """Return the heading of a test image: dataset, index and class."""
    index, label = (stored.metadata[key][position] for key in ("indices", "labels"))
    name = class_name(stored.metadata["cell"]["dataset"], label)
    return f"{block.label}, test image {index}: {name}"


def title(panel: Panel) -> str:
    """Return the title above a panel."""
    factor = config.image_grids().amplified
    return f"{panel.title} ×{factor:g}" if panel.show == "perturbation" else panel.title


def prediction(panel: Panel, stored: StoredImages, position: int) -> tuple[str, bool] | None:
    """Return the predicted class of a panel's image and whether it is correct, if there is one."""
    predicted = stored.prediction(panel.show, panel.of, position)
    if predicted is None:
        return None
    correct = predicted == stored.metadata["labels"][position]
    name = class_name(stored.metadata["cell"]["dataset"], predicted)
    return f"{name} {'✓' if correct else '✗'}", correct


def subtitle(grid: Grid, blocks: list[Block]) -> str:
    """Return the preset, substituted data and networks, and the attack if one is shown."""
    parts = [f"Preset {grid.preset}"]
    parts += [
        f"{block.label} here {', '.join(block.substitutes)}"
        for block in blocks
        if block.substitutes
    ]
    if any(panel.of == "adversarial" for block in blocks for panel in block.panels):
        ball = attack_budgets.ball(grid.preset.attack(grid.attack))
        parts.append(f"{grid.attack.upper()}, {ball}, on the bare classifier")
    return ". ".join(parts) + "."


def metadata(grid: Grid, blocks: list[Block], images: ImagesByCell, missing: list[str]) -> Dict:
    """Return what a page says about a figure; `alt` is one sentence."""
    panels = [panel for block in blocks for panel in block.panels]
    present = {panel.show for panel in panels}
    shown = ", ".join(text for show, text in _SHOWN.items() if show in present)
    kinds = " and ".join(dict.fromkeys(panel.of for panel in panels))
    count, data = len(grid.spec.positions), " and ".join(block.label for block in blocks)
    return {
        "name": grid.name,
        "preset": grid.preset.name,
        "title": grid.title,
        "caption": f"{subtitle(grid, blocks)} Images are of the first draw of the evaluation. "
        "Below an input image is the prediction of the bare classifier, below a purified image "
        "that of the whole defence.",
        "alt": f"Grid of {kinds} test images of {data}, {count} of each: {shown}; "
        f"{_accuracy(grid, blocks, images)}.",
        "missing": missing,
        "cells": [cell.id for block in blocks for cell in block.cells],
    }


def _accuracy(grid: Grid, blocks: list[Block], images: ImagesByCell) -> str:
    """Count the correctly classified purified images, by kind."""
    counts = []
    for kind in ("clean", "adversarial"):
        predictions = [
            predicted
            for block in blocks
            for panel in block.panels
            if panel.show == "purified" and panel.of == kind
            for position in grid.spec.positions
            if (predicted := prediction(panel, images[panel.cell], position))
        ]
        if predictions:
            correct = sum(correct for _, correct in predictions)
            counts.append(f"{correct} of {len(predictions)} {kind} images")
    return f"after purification the classifier is correct on {' and '.join(counts)}"
