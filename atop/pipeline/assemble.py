"""From names to networks: builds classifiers, purifiers and whole defences as a preset says."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.execution import Compute
from atop.core.values import Dict
from atop.data.cache import read_about
from atop.data.dataset import Dataset, Split, load
from atop.experiment import config, paths, weight_files
from atop.experiment.cells import Cell
from atop.method.attack import Attack
from atop.method.defense import Defense, Sizes
from atop.method.reconstruction_loss import Loss, PixelLoss
from atop.method.registry import build, module_of
from atop.method.transform import Transform


@contextmanager
def _options_of(*files: str) -> Iterator[None]:
    """Name the files of the config that hold options which do not fit."""
    try:
        yield
    except (AtopError, TypeError, ValueError) as error:
        where = " and ".join(f"{config.folder()}/{file}.yaml" for file in files)
        raise AtopError(f"{where}: {error}") from error


def device(preset: str, *, allow_cpu: bool = False) -> torch.device:
    """The device that a preset runs on.

    Raises:
        AtopError: the preset wants a GPU, there is none, and nobody said that the CPU will do.
    """
    if config.preset(preset).device == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if allow_cpu:
        return torch.device("cpu")
    raise AtopError(
        f"preset '{preset}' needs a GPU and torch sees none; smaller presets are 'native' "
        "(tables/native/..., 32 pixels) and 'smoke' (tables/smoke/..., minutes on a CPU); "
        "to run this one on the CPU all the same, add --config allow_cpu=true, or --allow-cpu to a "
        "command of python -m atop"
    )


def compute(preset: str, what: str) -> Compute:
    """How networks are run when a preset trains (`train`) or attacks (`attack`)."""
    return Compute(**config.compute(preset, what))


def sizes(preset: str, cell: Cell) -> Sizes:
    """The three side lengths of a cell."""
    return Sizes(**config.sizes(preset, cell))


def dataset(name: str) -> Dataset:
    """A fetched dataset."""
    row = config.dataset(name)
    return load(
        paths.dataset(name), classes=row.classes, train_size=row.train_size, validation=row.held_out
    )


def evaluation_set(preset: str, name: str, n: int | None = None) -> Split:
    """The fixed test pictures of a preset: the first n of a seeded permutation of the test set.

    With seed 0 and n = 512 on CIFAR-10 they are RandomState(0).choice(10000, 512, replace=False),
    the choice of Lee & Kim (2023); a slice of a dataset gives the same pictures as the whole. Where
    the published places are not known, the permutation is of the pictures as they were found.

    Raises:
        AtopError: the dataset lacks one of them.
    """
    chosen = config.preset(preset).evaluation
    test = dataset(name).test
    published = read_about(paths.dataset(name))["positions"] == "published"
    size = config.dataset(name).test_size if published else len(test)
    count = n or chosen.n
    if count > size:
        raise AtopError(
            f"{paths.dataset(name)}: {size} test pictures, and the evaluation set takes {count}; "
            "lower evaluation.n or evaluation.grey_box of the preset"
        )
    wanted = np.random.RandomState(chosen.seed).permutation(size)[:count]
    position = {int(index): place for place, index in enumerate(test.index)}
    missing = [int(index) for index in wanted if int(index) not in position]
    if missing:
        raise AtopError(
            f"{paths.dataset(name)}: lacks test picture {missing[0]} of the evaluation set; "
            "lower evaluation.n or evaluation.grey_box of the preset, or take its seed back"
        )
    return test.take(torch.tensor([position[int(index)] for index in wanted]))


def transform(preset: str, cell: Cell) -> Transform:
    """A cell's random transform with its hyper-parameters, perhaps with a part switched off."""
    method, options = config.transform_of(preset, cell)
    changed = cell.transform in config.preset(preset).transforms
    with _options_of("transforms", *([f"presets/{preset}"] if changed else [])):
        return build("transforms", method, **options)  # type: ignore[no-any-return]


def classifier(dataset: str, name: str) -> nn.Module:
    """A classifier with random weights."""
    row = config.classifier(name)
    classes = config.dataset(dataset).classes
    with _options_of("classifiers"):
        return build("classifiers", row.family, classes=classes, **row.options)  # type: ignore[no-any-return]


def trained_classifier(preset: str, dataset: str, name: str) -> nn.Module:
    """A classifier with its weights: public ones, a file of the preset's, or trained here."""
    files = paths.classifier(preset, dataset, name)
    own = paths.own_weights(preset, dataset, name)
    for path in files:
        checkpoints.verify(path, (own and own.sha256) or weight_files.row_of(path).get("sha256"))
    network = classifier(dataset, name)
    module = module_of("classifiers", config.classifier(name).family)
    if files[0].suffix != ".safetensors" and hasattr(module, "load_public"):
        module.load_public(network, files)
    else:
        checkpoints.load(network, files[0])
    return network


def purifier(preset: str, name: str, dataset: str = "") -> nn.Module:
    """A purifier with random weights, of the size that the preset gives it, by dataset."""
    options = config.purifier(name, preset, dataset)["options"]
    with _options_of(f"presets/{preset}"):
        return build("purifiers", name, **options)  # type: ignore[no-any-return]


def loss(preset: str, name: str, recipe: Dict) -> Loss:
    """L_org of a purifier: its own, or that of any picture."""
    module, options = module_of("purifiers", name), config.purifier(name, preset)["loss"]
    with _options_of(f"presets/{preset}"):
        if not hasattr(module, "build_loss"):
            return PixelLoss(**options)
        return module.build_loss(recipe=recipe, **options)  # type: ignore[no-any-return]


def initialise(network: nn.Module, preset: str, cell: Cell) -> None:
    """Load what a purifier starts from: public weights, or what was pretrained here."""
    weights = paths.initial(preset, cell)
    given = config.purifier(cell.purifier, preset)["checkpoints"].get(cell.init, {})
    checkpoints.verify(weights, given.get("sha256") or weight_files.row_of(weights).get("sha256"))
    if weights.suffix == ".safetensors":
        checkpoints.load(network, weights)
    else:
        state = checkpoints.read(weights)
        module_of("purifiers", cell.purifier).load_public(network, state, source=str(weights))


def defense(preset: str, cell: Cell) -> Defense:
    """The trained defence of a cell, frozen, on the CPU.

    Raises:
        AtopError: its init says that its purifier has no weights, and it has some.
    """
    network = purifier(preset, cell.purifier, cell.dataset)
    if cell.purifies:
        checkpoints.load(network, paths.purifier(preset, cell))
    elif any(True for _ in network.parameters()):
        raise AtopError(f"{cell.id}: {cell.purifier} has weights, so its init must not be none")
    f = trained_classifier(preset, cell.dataset, cell.classifier)
    if cell.finetune == "classifier":
        checkpoints.load(f, paths.tuned(preset, cell))
    return pipeline(preset, cell, network, f).eval().requires_grad_(False)


def pipeline(preset: str, cell: Cell, purifier: nn.Module, classifier: nn.Module) -> Defense:
    """f(g(t(x))) of a cell around given networks, which keep their state."""
    chosen = sizes(preset, cell)
    if cell.undefended:  # nothing works at the purifier's size
        chosen = replace(chosen, purifier=chosen.input)
    recipe = config.recipe(cell.recipe, cell.transform, preset)
    return Defense(
        transform=transform(preset, cell),
        purifier=purifier,
        classifier=classifier,
        sizes=chosen,
        signed_classifier=recipe["classifier_range"] == "signed" and cell.purifies,
        seed=cell.seed,
    )


def attack(preset: str, name: str) -> Attack:
    """An attack with the budget that a preset gives it."""
    row = config.attack(name, preset)
    options = {key: value for key, value in row.items() if key not in config.HARNESS}
    with _options_of("attacks"):
        return build("attacks", row["method"], **options)  # type: ignore[no-any-return]
