"""The training jobs of a run, assembled from the config: classifier, pretrain, finetune, tune."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.files import sha256
from atop.core.provenance import Stopwatch
from atop.core.resumable import State
from atop.data.cache import read_about
from atop.experiment import config, fingerprints, paths, training_budgets, validate
from atop.experiment.cells import ANY, Cell
from atop.pipeline import assemble
from atop.pipeline.training import parts
from atop.pipeline.training.classifier import accuracy
from atop.pipeline.training.curves import Curve
from atop.pipeline.training.loop import Stage, train


def classifier(preset: str, dataset: str, name: str, *, device: torch.device) -> Path:
    """Train a classifier; return where its weights lie.

    Raises:
        AtopError: it has weights already, public ones or the preset's.
    """
    cell = Cell(dataset=dataset, classifier=name)
    validate.check_cell(cell, preset)
    out = paths.trained(preset, dataset, name)
    if (given := paths.classifier(preset, dataset, name)) != [out]:
        never = config.classifier(name).training == "never"
        advice = f"classifiers: {name}: {{train: true}} in presets/{preset}.yaml trains it anyway"
        mend = ", and is never trained here" if never else f"; {advice}"
        raise AtopError(f"{given[0]}: {name} has weights for {dataset}{mend}")
    seed = config.preset(preset).seed
    torch.manual_seed(seed)
    network = assemble.classifier(dataset, name).to(device)
    data = assemble.dataset(dataset)
    budget = training_budgets.classifier(preset, dataset, name)
    stage = parts.classifier_stage(
        preset, cell, network, data.train.to(device), budget=budget, seed=seed
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
        return {"test": accuracy(network, test, size=stage.size, batch=budget["batch"])}

    return _run(stage, network, out, settings, device, account=account)


def pretrain(preset: str, dataset: str, name: str, *, device: torch.device) -> Path:
    """Pretrain a purifier from scratch with L_org (`init: scratch`)."""
    chosen = config.preset(preset)
    budget = training_budgets.pretrain(preset, name)
    cell = Cell(
        dataset=dataset,
        classifier=ANY,
        purifier=name,
        init="scratch",
        seed=chosen.seed,
    )
    recipe = config.recipe(cell.recipe, cell.transform, preset)
    torch.manual_seed(cell.seed)
    network = assemble.purifier(preset, name, dataset).to(device)
    if not any(True for _ in network.parameters()):
        raise AtopError(f"{name} has no weights to train; the init of its cells is none")
    stage = parts.purifier_stage(
        preset,
        cell,
        network,
        assemble.dataset(dataset).train.to(device),
        stream="pretrain",
        transforms=budget["transforms"],
        recipe=recipe,
        budget=budget,
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
    data = assemble.dataset(cell.dataset).train  # missing data is the first thing to hear of
    recipe = config.recipe(cell.recipe, cell.transform, preset)
    first = cell.finetune == "none"
    budget = training_budgets.finetune(preset, cell)
    start = paths.initial(preset, cell) if first else paths.purifier(preset, cell.base)
    network = assemble.purifier(preset, cell.purifier, cell.dataset)
    if first:
        assemble.initialise(network, preset, cell)
    else:
        checkpoints.load(network, start)
    network = network.to(device)
    classification = curve = None
    if cell.weights.classifier != ANY:
        bare = assemble.defense(preset, cell.bare).to(device)
        whole = assemble.pipeline(preset, cell, network, bare.classifier)
        classification = parts.classification(preset, cell, recipe, whole, bare)
        curve = parts.curve(preset, cell, whole, bare, device)
    stage = parts.purifier_stage(
        preset,
        cell,
        network,
        data.to(device),
        stream="l_org" if first else "finetune",
        transforms=[cell.transform],
        recipe=recipe,
        budget=budget,
        classification=classification,
    )
    settings = {
        "stage": "finetune",
        "cell": cell.as_dict(),
        "data_sha256": _data_sha256(cell.dataset),
        "classifier_sha256": _classifier_sha256(preset, cell) if classification else None,
        "recipe": recipe,
        "budget": budget,
        "start_sha256": sha256(start),
        "fingerprint": fingerprints.finetune(preset, cell),
    }
    return _run(stage, network, paths.purifier(preset, cell), settings, device, curve=curve)


def tune(preset: str, cell: Cell, *, device: torch.device) -> Path:
    """Fine-tune f on t(x) without any purifier: the control that asks what g is for."""
    network = assemble.trained_classifier(preset, cell.dataset, cell.classifier).to(device)
    whole = assemble.pipeline(preset, cell, assemble.purifier(preset, cell.purifier), network)
    budget = training_budgets.finetune(preset, cell)
    stage = parts.classifier_stage(
        preset,
        cell,
        network,
        assemble.dataset(cell.dataset).train.to(device),
        budget=budget,
        seed=cell.seed,
        whole=whole,
    )
    settings = {
        "stage": "tune",
        "cell": cell.as_dict(),
        "data_sha256": _data_sha256(cell.dataset),
        "budget": budget,
        "start_sha256": _classifier_sha256(preset, cell),
        "fingerprint": fingerprints.finetune(preset, cell),
    }
    bare = assemble.defense(preset, cell.bare).to(device)
    curve = parts.curve(preset, cell, whole, bare, device)
    return _run(stage, network, paths.tuned(preset, cell), settings, device, curve=curve)


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
    settings = {**settings, "compute": stage.compute.as_dict()}
    if curve:
        measured = {"points": curve.points, "n": len(curve.labels), "sets": list(curve.sets)}
        settings = {**settings, "curve": measured}
    identity = config.digest(settings)
    state = State(paths.state(out), identity)
    rows = train(
        stage,
        state=state,
        title=f"{settings['stage']} {out.stem}",
        watch=curve,
        points=curve.points if curve else 1,
    )
    history = [row for row in rows if "seen" not in row]
    # The time below is that since, if it was resumed.
    about = {"settings": settings, "resumed": state.resumed, **account(), "history": history}
    if curve:
        points = [{"step": row["step"], **row["seen"]} for row in rows if "seen" in row]
        index = curve.randomness.index.tolist()
        about["curve"] = {"n": len(index), "indices": index, "points": points}
    provenance = watch.provenance(identity=identity, compute=settings["compute"])
    checkpoints.save(out, network, about | {"provenance": provenance})
    state.remove()
    return out
