"""The training jobs of a run, assembled from the config: classifier, pretrain, finetune, tune."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from atop import assemble, checkpoints, config, fingerprints, known, paths
from atop.cells import ANY, Cell
from atop.data.cache import read_about
from atop.errors import AtopError
from atop.files import sha256
from atop.provenance import Stopwatch
from atop.resizing import resize
from atop.training.classifier import ClassifierStage, accuracy
from atop.training.curves import Curve, curve_of
from atop.training.loop import Stage, train
from atop.training.purifier import Classification, PurifierStage


def classifier(preset: str, dataset: str, name: str, *, device: torch.device) -> Path:
    """Train a classifier; return where its weights lie.

    Raises:
        AtopError: it has weights already, public ones or the preset's.
    """
    known.check_cell(Cell(dataset=dataset, classifier=name), preset)
    out = paths.trained(preset, dataset, name)
    if (given := paths.classifier(preset, dataset, name)) != [out]:
        never = config.classifier(name).get("training") == "never"
        advice = f"classifiers: {name}: {{train: true}} in presets/{preset}.yaml trains it anyway"
        mend = ", and is never trained here" if never else f"; {advice}"
        raise AtopError(f"{given[0]}: {name} has weights for {dataset}{mend}")
    seed = config.preset(preset)["seed"]
    torch.manual_seed(seed)
    network = assemble.classifier(dataset, name).to(device)
    data = assemble.dataset(dataset)
    budget = config.classifier_budget(preset, dataset, name)
    size = config.sizes(preset, Cell(dataset=dataset, classifier=name))["classifier"]
    stage = ClassifierStage(
        network,
        data.train.to(device),
        size=size,
        budget=budget,
        seed=seed,
        attack=assemble.attack(preset, budget["attack"]) if "attack" in budget else None,
    )
    settings = {
        "stage": "classifier",
        "dataset": dataset,
        "data_sha256": _data_sha256(dataset),
        "classifier": name,
        "budget": budget,
        "fingerprint": fingerprints.classifier(preset, dataset, name),
    }

    def account() -> dict[str, Any]:
        test = data.test.to(device)
        return {"test": accuracy(network, test, size=size, batch=budget["batch"])}

    return _run(stage, network, out, settings, device, account=account)


def pretrain(preset: str, dataset: str, name: str, *, device: torch.device) -> Path:
    """Pretrain a purifier from scratch with L_org (`init: scratch`)."""
    chosen = config.preset(preset)
    budget = config.pretrain_budget(preset, name)
    cell = Cell(
        dataset=dataset,
        classifier=ANY,
        purifier=name,
        init="scratch",
        seed=chosen["seed"],
    )
    recipe = config.recipe(cell.recipe, cell.transform, preset)
    torch.manual_seed(cell.seed)
    network = assemble.purifier(preset, name, dataset).to(device)
    stage = _purifier_stage(
        preset,
        cell,
        network,
        stream="pretrain",
        transforms=budget["transforms"],
        recipe=recipe,
        budget=budget,
        device=device,
    )
    settings = {
        "stage": "pretrain",
        "dataset": dataset,
        "data_sha256": _data_sha256(dataset),
        "purifier": name,
        "recipe": recipe,
        "budget": budget,
        "fingerprint": fingerprints.pretrain(preset, dataset, name),
    }
    return _run(stage, network, paths.initial(preset, cell), settings, device)


def finetune(preset: str, cell: Cell, *, device: torch.device) -> Path:
    """Make a cell's weights: L_org's purifier (`none`), what follows it, or f tuned on t(x)."""
    if cell.finetune == "classifier":
        return tune(preset, cell, device=device)
    if not cell.purifies:
        raise AtopError(f"{cell.id}: no purifier to train; name a cell that has one")
    assemble.dataset(cell.dataset)  # missing data is the first thing to hear of
    recipe = config.recipe(cell.recipe, cell.transform, preset)
    first = cell.finetune == "none"
    budget = config.finetune_budget(preset, cell)
    start = paths.initial(preset, cell) if first else paths.purifier(preset, cell.base)
    network = assemble.purifier(preset, cell.purifier, cell.dataset)
    if first:
        assemble.initialise(network, preset, cell)
    else:
        checkpoints.load(network, start)
    stage = _purifier_stage(
        preset,
        cell,
        network.to(device),
        stream="l_org" if first else "finetune",
        transforms=[cell.transform],
        recipe=recipe,
        budget=budget,
        classification=_classification(preset, cell, recipe, network, device),
        device=device,
    )
    settings = {
        "stage": "finetune",
        "cell": cell.as_dict(),
        "data_sha256": _data_sha256(cell.dataset),
        "classifier_sha256": _classifier_sha256(preset, cell) if stage.classification else None,
        "recipe": recipe,
        "budget": budget,
        "start_sha256": sha256(start),
        "fingerprint": fingerprints.finetune(preset, cell),
    }
    curve = _curve(preset, cell, network, device) if stage.classification else None
    return _run(stage, network, paths.purifier(preset, cell), settings, device, curve=curve)


def tune(preset: str, cell: Cell, *, device: torch.device) -> Path:
    """Fine-tune f on t(x) without any purifier: the control that asks what g is for."""
    network = assemble.trained_classifier(preset, cell.dataset, cell.classifier).to(device)
    whole = assemble.pipeline(preset, cell, assemble.purifier(preset, cell.purifier), network)
    budget = config.finetune_budget(preset, cell)
    stage = ClassifierStage(
        network,
        assemble.dataset(cell.dataset).train.to(device),
        size=config.sizes(preset, cell)["input"],
        budget=budget,
        seed=cell.seed,
        classify=whole,
    )
    settings = {
        "stage": "tune",
        "cell": cell.as_dict(),
        "data_sha256": _data_sha256(cell.dataset),
        "budget": budget,
        "start_sha256": _classifier_sha256(preset, cell),
        "fingerprint": fingerprints.finetune(preset, cell),
    }
    return _run(stage, network, paths.tuned(preset, cell), settings, device)


def _purifier_stage(
    preset: str,
    cell: Cell,
    network: nn.Module,
    *,
    transforms: list[str],
    device: torch.device,
    recipe: dict[str, Any],
    **options: Any,
) -> PurifierStage:
    torch.manual_seed(cell.seed)  # initial weights of a loss that has networks
    loss = assemble.loss(preset, cell.purifier, recipe)
    sizes = assemble.sizes(preset, cell)
    return PurifierStage(
        purifier=network,
        loss=loss.to(device),
        transforms=[assemble.transform(preset, replace(cell, transform=t)) for t in transforms],
        data=assemble.dataset(cell.dataset).train.to(device),
        input_size=sizes.input,
        resize=lambda x: resize(x, sizes.purifier),
        recipe=recipe,
        seed=cell.seed,
        shift=config.dataset(cell.dataset)["shift"],
        **options,
    )


def _classification(
    preset: str, cell: Cell, recipe: dict[str, Any], network: nn.Module, device: torch.device
) -> Classification | None:
    """The AToP term of a cell: none for L_org, clean examples or FGSM examples otherwise."""
    if cell.finetune in ("none", "continued"):
        return None
    images = config.finetune_budget(preset, cell)["images"]
    if recipe["ce_after_images"] >= images:
        raise AtopError(
            f"presets/{preset}.yaml: stages.atop: {images} images end before recipe {cell.recipe} "
            f"adds the classification loss (ce_after_images {recipe['ce_after_images']}); "
            "raise images, or set recipe.ce_after_images there"
        )
    bare = assemble.defense(preset, cell.bare).to(device)
    pipeline = assemble.pipeline(preset, cell, network, bare.classifier)
    if cell.finetune == "clean":
        return Classification(classify=pipeline.classify, attack=None)
    target = bare if recipe["attack_target"] == "classifier" else pipeline
    fgsm = assemble.attack(preset, "fgsm")
    return Classification(
        classify=pipeline.classify, attack=lambda x, y, randomness: fgsm(target, x, y, randomness)
    )


def _curve(preset: str, cell: Cell, network: nn.Module, device: torch.device) -> Curve | None:
    """What is measured while a cell is fine-tuned, if the preset says so."""
    told = config.preset(preset).get("curves")
    if not told:
        return None
    bare = assemble.defense(preset, cell.bare).to(device)
    pictures = assemble.dataset(cell.dataset).held_out.take(slice(0, told["pictures"]))
    return curve_of(
        assemble.pipeline(preset, cell, network, bare.classifier),
        bare,
        pictures.to(device),
        {name: assemble.attack(preset, name) for name in told["attacks"]},
        batch=config.preset(preset)["evaluation"]["batch"],
        points=told["points"],
    )


def _data_sha256(dataset: str) -> str:
    sha: str = read_about(paths.dataset(dataset))["train"]["sha256"]
    return sha


def _classifier_sha256(preset: str, cell: Cell) -> str:
    files = paths.classifier(preset, cell.dataset, cell.classifier)
    return "+".join(sha256(path) for path in files)  # an ensemble has several


def _run(
    stage: Stage,
    network: nn.Module,
    out: Path,
    settings: dict[str, Any],
    device: torch.device,
    *,
    account: Callable[[], dict[str, Any]] = dict,
    curve: Curve | None = None,
) -> Path:
    """Train, save weights and how they came about, with what `account` says; drop the state."""
    watch = Stopwatch(device)
    state = paths.state(out)
    identity = config.digest(settings)
    history = train(
        stage,
        state=state,
        identity=identity,
        title=f"{settings['stage']} {out.stem}",
        watch=curve,
        points=curve.points if curve else 1,
    )
    about = {"settings": settings, **account(), "history": history}
    if curve:
        about["curve"] = {"n": len(curve.labels), "indices": curve.randomness.index.tolist()}
    checkpoints.save(out, network, about | {"provenance": watch.provenance(identity=identity)})
    state.unlink(missing_ok=True)
    return out
