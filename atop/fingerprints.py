"""Digests of all settings that shape a stage's result; rules run again when they change."""

from atop import config
from atop.cells import Cell


def classifier(preset: str, dataset: str, name: str) -> str:
    """Of a classifier that is trained here."""
    cell, budget = Cell(dataset=dataset, classifier=name), config.classifier_budget
    parts = [config.preset(preset)["seed"], config.sizes(preset, cell), config.classifier(name)]
    found = budget(preset, dataset, name)
    against = config.attack(found["attack"], preset) if "attack" in found else None
    return config.digest("classifier", parts, found, against)


def pretrain(preset: str, dataset: str) -> str:
    """Of a purifier that is pretrained here."""
    chosen = config.preset(preset)
    budget = config.stage_budget(preset, "pretrain")
    transforms = [config.transform(name) for name in budget["transforms"]]
    data = [chosen["sizes"], config.dataset(dataset).get("shift", 0)]
    parts = [chosen["seed"], data, chosen["purifiers"], budget, transforms]
    return config.digest("pretrain", parts, config.recipe("paper", "none", preset))


def finetune(preset: str, cell: Cell) -> str:
    """Of a cell's own weights. A cell has its own seed; the preset's is of what is made once."""
    parts = [
        config.sizes(preset, cell),
        config.finetune_budget(preset, cell),
        config.recipe(cell.recipe, cell.transform, preset),
        config.transform(cell.transform),
        config.preset(preset)["purifiers"],
        config.dataset(cell.dataset).get("shift", 0),
    ]
    if cell.finetune == "adversarial":
        parts.append(config.attack("fgsm", preset))
    return config.digest("finetune", parts)


def attack(preset: str, cell: Cell, name: str) -> str:
    """Of an adversarial set."""
    return config.digest("attack", _chosen(preset, cell), config.attack(name, preset))


def evaluate(preset: str, cell: Cell, suite: str) -> str:
    """Of a record."""
    row = config.suite(suite, preset)
    budgets = [config.attack(config.entry(one, "")[0], preset) for one in row["attacks"]]
    return config.digest("evaluate", _chosen(preset, cell), row, budgets)


def _chosen(preset: str, cell: Cell) -> list[object]:
    chosen = config.preset(preset)
    return [chosen["seed"], chosen["evaluation"], config.sizes(preset, cell)]
