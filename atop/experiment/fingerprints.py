"""Digests of all settings that shape a stage's result; rules run again when they change."""

from dataclasses import replace

from atop.core.values import Dict
from atop.experiment import config, training_budgets
from atop.experiment.cells import ANY, Cell


def classifier(preset: str, dataset: str, name: str) -> str:
    """Of a classifier that is trained here."""
    budget = training_budgets.classifier(preset, dataset, name)
    against = config.attack(budget["attack"], preset) if "attack" in budget else None
    cell = Cell(dataset=dataset, classifier=name)
    parts = [config.preset(preset).seed, config.sizes(preset, cell), _network(preset, cell)]
    parts += _compute(preset, "train")
    return config.digest("classifier", parts, _pictures(dataset), budget, against)


def pretrain(preset: str, dataset: str, purifier: str) -> str:
    """Of a purifier that is pretrained here."""
    chosen = config.preset(preset)
    budget = training_budgets.pretrain(preset, purifier)
    cell = Cell(dataset=dataset, classifier=ANY, purifier=purifier)
    transforms = [
        config.transform_of(preset, replace(cell, transform=name)) for name in budget["transforms"]
    ]
    data = [config.sizes(preset, cell), config.dataset(dataset).shift, _pictures(dataset)]
    parts = [chosen.seed, data, config.purifier(purifier, preset, dataset), budget, transforms]
    parts += _compute(preset, "train")
    return config.digest("pretrain", parts, config.recipe("paper", "none", preset))


def finetune(preset: str, cell: Cell) -> str:
    """Of a cell's own weights. A cell has its own seed; the preset's is of what is made once."""
    parts = [
        config.sizes(preset, cell),
        training_budgets.finetune(preset, cell),
        config.recipe(cell.recipe, cell.transform, preset),
        config.transform_of(preset, cell),
        config.purifier(cell.purifier, preset, cell.dataset) if cell.purifies else None,
        config.dataset(cell.dataset).shift,
        _pictures(cell.dataset),
        _network(preset, cell),
    ]
    if cell.finetune == "adversarial":
        parts.append(config.attack("fgsm", preset))
    parts += _compute(preset, "train")
    return config.digest("finetune", parts)


def attack(preset: str, cell: Cell, name: str) -> str:
    """Of an adversarial set."""
    parts = [*_whole(preset, cell), *_compute(preset, "attack")]
    return config.digest("attack", parts, config.attack(name, preset))


def evaluate(preset: str, cell: Cell, suite: str) -> str:
    """Of a record."""
    row = config.suite(suite, preset)
    budgets = [config.attack(config.entry(one, "")[0], preset) for one in row.attacks]
    return config.digest("evaluate", _whole(preset, cell), row.given(), budgets)


def _compute(preset: str, what: str) -> list[Dict]:
    """How networks are run, where it is not in float32."""
    told = config.compute(preset, what)
    return [told] if told else []


def _pictures(dataset: str) -> list[int]:
    """What says which pictures of the training split are trained on."""
    row = config.dataset(dataset)
    return [row.train_size, row.held_out]


def _whole(preset: str, cell: Cell) -> list[object]:
    """What runs, and on which pictures."""
    chosen, pictures = config.preset(preset), config.dataset(cell.dataset).test_size
    sizes, network = config.sizes(preset, cell), _network(preset, cell)
    transform = config.transform_of(preset, cell)
    return [chosen.seed, chosen.evaluation.given(), pictures, sizes, network, transform]


def _network(preset: str, cell: Cell) -> object:
    """The classifier, and whose weights it has."""
    if cell.classifier == ANY:
        return None
    row = config.classifier(cell.classifier).given()
    del row["about"]
    rows = config.read("checkpoints")
    names = config.public_weights(cell.dataset, cell.classifier)
    hashes = [rows.get(name, {}).get("sha256") for name in names]
    own = config.preset(preset).classifiers.get(cell.classifier)
    return [row, hashes, own and own.given()]
