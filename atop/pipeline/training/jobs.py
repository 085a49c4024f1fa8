"""The training jobs of a run."""

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
from atop.experiment import config, paths, validate
from atop.experiment.cells import ANY, Cell
from atop.experiment.presets import Preset
from atop.experiment.stages.finetuning import Finetune, Pretrain, Tune
from atop.experiment.stages.training import TrainClassifier, Training
from atop.pipeline import assemble
from atop.pipeline.training import parts
from atop.pipeline.training.classifier import accuracy
from atop.pipeline.training.curves import Curve
from atop.pipeline.training.loop import Trainer, train


def classifier(stage: TrainClassifier, device: torch.device) -> Path:
    """Train a classifier; return the path of its weights.

    Raises:
        AtopError: it has weights already, public ones or the preset's.
    """
    preset, cell, out = stage.preset, stage.cell, stage.file
    name, dataset = cell.classifier, cell.dataset
    validate.check_cell(cell, preset)
    if (given := paths.classifier(preset, dataset, name)) != [out]:
        never = config.classifier(name).training == "never"
        advice = f"classifiers: {name}: {{train: true}} in presets/{preset}.yaml trains it anyway"
        mend = ", and is never trained here" if never else f"; {advice}"
        raise AtopError(f"{given[0]}: {name} has weights for {dataset}{mend}")
    budget, seed = stage.budget, preset.settings.seed
    torch.manual_seed(seed)
    network = assemble.classifier(dataset, name).to(device)
    data = assemble.dataset(dataset)
    trainer = parts.classifier_trainer(
        preset, cell, network, data.train.to(device), budget=budget, seed=seed
    )

    def measure() -> dict[str, Any]:
        test = data.test.to(device)
        return {"test": accuracy(network, test, size=trainer.size, batch=budget.batch)}

    settings = {"stage": "classifier", "dataset": dataset, "classifier": name}
    return _run(stage, trainer, network, device, settings, measure=measure)


def pretrain(stage: Pretrain, device: torch.device) -> Path:
    """Pretrain a purifier from scratch with L_org (`init: scratch`).

    Raises:
        AtopError: the preset names weights for it, or it has none.
    """
    preset, cell, budget = stage.preset, stage.cell, stage.budget
    if (given := paths.initial(preset, cell)) != stage.file:
        raise AtopError(f"{given}: a preset names this file, so there is nothing to train here")
    torch.manual_seed(cell.seed)
    network = assemble.purifier(preset, cell.purifier, cell.dataset).to(device)
    if not any(True for _ in network.parameters()):
        raise AtopError(f"{cell.purifier} has no weights to train; the init of its cells is none")
    trainer = parts.purifier_trainer(
        preset,
        cell,
        network,
        assemble.dataset(cell.dataset).train.to(device),
        stream="pretrain",
        transforms=budget.transforms,
        budget=budget,
    )
    settings = {
        "stage": "pretrain",
        "dataset": cell.dataset,
        "purifier": cell.purifier,
        "recipe": preset.recipe(cell).given(),
    }
    return _run(stage, trainer, network, device, settings)


def finetune(stage: Finetune, device: torch.device) -> Path:
    """Fine-tune a cell's purifier: the L_org stage (`none`), AToP, or a control."""
    preset, cell = stage.preset, stage.cell
    if not cell.purifies:
        raise AtopError(f"{cell.id}: no purifier to train; name a cell that has one")
    data = assemble.dataset(cell.dataset).train  # missing data is reported first
    first = cell.finetune == "none"
    network = assemble.purifier(preset, cell.purifier, cell.dataset)
    if first:
        assemble.initialise(network, preset, cell)
    else:
        checkpoints.load(network, stage.start)
    network = network.to(device)
    classification = curve = None
    if cell.weights.classifier != ANY:
        bare = assemble.defense(preset, cell.bare).to(device)
        defense = assemble.join(preset, cell, network, bare.classifier)
        classification = parts.classification(preset, cell, defense, bare)
        curve = parts.curve(preset, cell, defense, bare, device)
    trainer = parts.purifier_trainer(
        preset,
        cell,
        network,
        data.to(device),
        stream="l_org" if first else "finetune",
        budget=stage.budget,
        classification=classification,
    )
    settings = {
        "stage": "finetune",
        "cell": cell.as_dict(),
        "classifier_sha256": _classifier_sha256(preset, cell) if classification else None,
        "recipe": preset.recipe(cell).given(),
        "start_sha256": sha256(stage.start),
    }
    return _run(stage, trainer, network, device, settings, curve=curve)


def tune(stage: Tune, device: torch.device) -> Path:
    """Fine-tune f on t(x) without any purifier: the control that asks what g is for."""
    preset, cell = stage.preset, stage.cell
    network = assemble.trained_classifier(preset, cell.dataset, cell.classifier).to(device)
    defense = assemble.join(preset, cell, assemble.purifier(preset, cell.purifier), network)
    trainer = parts.classifier_trainer(
        preset,
        cell,
        network,
        assemble.dataset(cell.dataset).train.to(device),
        budget=stage.budget,
        seed=cell.seed,
        defense=defense,
    )
    bare = assemble.defense(preset, cell.bare).to(device)
    curve = parts.curve(preset, cell, defense, bare, device)
    settings = {
        "stage": "tune",
        "cell": cell.as_dict(),
        "start_sha256": _classifier_sha256(preset, cell),
    }
    return _run(stage, trainer, network, device, settings, curve=curve)


def _classifier_sha256(preset: Preset, cell: Cell) -> str:
    files = paths.classifier(preset, cell.dataset, cell.classifier)
    return "+".join(sha256(path) for path in files)  # an ensemble has several


def _run(
    stage: Training,
    trainer: Trainer,
    network: nn.Module,
    device: torch.device,
    settings: dict[str, Any],
    *,
    measure: Callable[[], dict[str, Any]] = dict,
    curve: Curve | None = None,
) -> Path:
    """Train; save the weights with their settings, measurements and provenance; drop the state."""
    watch, out = Stopwatch(device), stage.file
    settings = settings | {
        "data_sha256": read_about(paths.dataset(stage.cell.dataset))["train"]["sha256"],
        "budget": stage.budget.given(),
        "fingerprint": stage.fingerprint,
        "compute": trainer.compute.as_dict(),
    }
    if curve:
        measured = {"points": curve.points, "n": len(curve.labels), "sets": list(curve.sets)}
        settings = {**settings, "curve": measured}
    identity = config.digest(settings)
    state = State(paths.state(out), identity)
    rows = train(
        trainer,
        state=state,
        title=f"{settings['stage']} {out.stem}",
        watch=curve,
        points=curve.points if curve else 1,
    )
    history = [row for row in rows if "seen" not in row]
    # A resumed run counts the time since then only.
    metadata = {"settings": settings, "resumed": state.resumed, **measure(), "history": history}
    if curve:
        points = [{"step": row["step"], **row["seen"]} for row in rows if "seen" in row]
        index = curve.randomness.index.tolist()
        metadata["curve"] = {"n": len(index), "indices": index, "points": points}
    provenance = watch.provenance(identity=identity, compute=trainer.compute.provenance())
    checkpoints.save(out, network, metadata | {"provenance": provenance})
    state.remove()
    return out
