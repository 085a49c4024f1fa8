"""Build classifiers, purifiers and whole defences as a preset says."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.data.cache import read_about
from atop.data.dataset import Dataset, Split, load
from atop.experiment import config, paths, weight_files
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.settings.recipes import Recipe
from atop.method.attack import Attack
from atop.method.defense import Defense, Sizes
from atop.method.reconstruction_loss import Loss, PixelLoss
from atop.method.registry import build, module_of
from atop.method.transform import FixedMask, Transform


@contextmanager
def _options_of(*files: str) -> Iterator[None]:
    """Name the files of the config in errors about options that do not fit."""
    try:
        yield
    except (AtopError, TypeError, ValueError) as error:
        where = " and ".join(f"{config.folder()}/{file}.yaml" for file in files)
        raise AtopError(f"{where}: {error}") from error


def dataset(name: str) -> Dataset:
    """A fetched dataset."""
    row = config.dataset(name)
    return load(
        paths.dataset(name),
        classes=row.classes,
        train_size=row.train_size,
        validation=row.validation,
    )


def evaluation_set(preset: Preset, name: str, n: int | None = None) -> Split:
    """The fixed test images of a preset: the first n of a seeded permutation of the test set.

    With seed 0 and n = 512 on CIFAR-10 they are RandomState(0).choice(10000, 512, replace=False),
    the choice of Lee & Kim (2023); a slice of a dataset gives the same images as the full dataset.
    Where the published positions are not known, the images are permuted in the order of the files.

    Raises:
        AtopError: the dataset lacks one of them.
    """
    chosen = preset.settings.evaluation
    advice = "lower evaluation.n or evaluation.grey_box of the preset"
    test, path = dataset(name).test, paths.dataset(name)
    published = read_about(path)["positions"] == "published"
    size = config.dataset(name).test_size if published else len(test)
    count = n or chosen.n
    if count > size:
        raise AtopError(
            f"{path}: {size} test images, and the evaluation set takes {count}; {advice}"
        )
    wanted = np.random.RandomState(chosen.seed).permutation(size)[:count]
    position = {int(index): place for place, index in enumerate(test.index)}
    missing = [int(index) for index in wanted if int(index) not in position]
    if missing:
        raise AtopError(
            f"{path}: lacks test image {missing[0]} of the evaluation set; {advice}, "
            "or take its seed back"
        )
    return test.take(torch.tensor([position[int(index)] for index in wanted]))


def transform(preset: Preset, cell: Cell) -> Transform:
    """A cell's random transform, perhaps with a part switched off or one mask for all."""
    spec = preset.transform(cell)
    options = dict(spec.options)
    fixed = options.pop("fixed_mask", False)
    changed = cell.transform in preset.settings.transforms
    with _options_of("transforms", *([f"presets/{preset}"] if changed else [])):
        built: Transform = build("transforms", spec.method, **options)
    return FixedMask(built) if fixed else built


def classifier(dataset: str, name: str) -> nn.Module:
    """A classifier with random weights."""
    row = config.classifier(name)
    options = row.options | {"classes": config.dataset(dataset).classes}
    if row.external:  # its own errors name its file
        options["pixels"] = config.classifier_pixels(name, dataset)
        return build("classifiers", row.family, **options)  # type: ignore[no-any-return]
    with _options_of("classifiers"):
        return build("classifiers", row.family, **options)  # type: ignore[no-any-return]


def trained_classifier(preset: Preset, dataset: str, name: str) -> nn.Module:
    """A classifier with its weights: public ones, a file of the preset's, or trained here."""
    if config.classifier(name).external:
        return classifier(dataset, name)
    files = paths.classifier(preset, dataset, name)
    own = paths.own_weights(preset, dataset, name)
    for path in files:
        checkpoints.verify(path, (own and own.sha256) or weight_files.row_of(path).sha256)
    network = classifier(dataset, name)
    module = module_of("classifiers", config.classifier(name).family)
    if files[0].suffix != ".safetensors" and hasattr(module, "load_public"):
        module.load_public(network, files)
    else:
        checkpoints.load(network, files[0])
    return network


def purifier(preset: Preset, name: str, dataset: str = "") -> nn.Module:
    """A purifier with random weights, of the size that the preset gives it, by dataset."""
    options = preset.purifier(name, dataset).options
    with _options_of(f"presets/{preset}"):
        return build("purifiers", name, **options)  # type: ignore[no-any-return]


def loss(preset: Preset, name: str, recipe: Recipe) -> Loss:
    """L_org of a purifier: its own, or that of any image."""
    module, options = module_of("purifiers", name), preset.purifier(name).loss
    with _options_of(f"presets/{preset}"):
        if not hasattr(module, "build_loss"):
            return PixelLoss(**options)
        return module.build_loss(recipe=recipe.given(), **options)  # type: ignore[no-any-return]


def initialise(network: nn.Module, preset: Preset, cell: Cell) -> None:
    """Load a purifier's initial weights: public ones, or those pretrained here."""
    weights = paths.initial(preset, cell)
    own = preset.purifier(cell.purifier).checkpoints.get(cell.init)
    checkpoints.verify(weights, (own and own.sha256) or weight_files.row_of(weights).sha256)
    if weights.suffix == ".safetensors":
        checkpoints.load(network, weights)
    else:
        state = checkpoints.read(weights)
        module_of("purifiers", cell.purifier).load_public(network, state, source=str(weights))


def defense(preset: Preset, cell: Cell) -> Defense:
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
    return join(preset, cell, network, f).eval().requires_grad_(False)


def join(preset: Preset, cell: Cell, purifier: nn.Module, classifier: nn.Module) -> Defense:
    """f(g(t(x))) of a cell around given networks, which keep their state."""
    sizes = Sizes(**preset.sizes(cell).given())
    if cell.undefended:  # nothing works at the purifier's size
        sizes = replace(sizes, purifier=sizes.input)
    signed = preset.recipe(cell).classifier_range == "signed"
    return Defense(
        transform=transform(preset, cell),
        purifier=purifier,
        classifier=classifier,
        sizes=sizes,
        signed_classifier=signed and cell.purifies,
    )


def attack(preset: Preset, name: str) -> Attack:
    """An attack with the budget that a preset gives it."""
    spec = preset.attack(name)
    with _options_of("attacks"):
        return build("attacks", spec.method, **spec.options)  # type: ignore[no-any-return]
