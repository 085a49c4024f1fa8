"""The evaluation of a defence of the user's under a protocol of protocols.yaml."""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from atop.core.errors import AtopError
from atop.core.progress import progress
from atop.experiment import config, paths
from atop.experiment.settings.inputs import ClassifierSpec
from atop.experiment.stages import plan
from atop.operations.benchmark import given, protocols
from atop.operations.benchmark.report import Report
from atop.pipeline import datasets, named_models
from atop.pipeline.run import run
from atop.reporting.aggregate import aggregate

_NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request for an evaluation.

    Attributes:
        name: of the defence, in tables and paths.
        dataset: of datasets.yaml; the protocol's preset may have a substitute.
        protocol: of protocols.yaml.
        n: number of test images; the preset's by default.
        device: of the evaluation.
        folder: of data that the user has; what is missing is downloaded.
    """

    name: str
    dataset: str
    protocol: str
    n: int | None
    device: torch.device
    folder: Path | None


def evaluate_module(
    model: nn.Module, request: Request, *, classifier: nn.Module | None = None
) -> Report:
    """Evaluate a module, which maps images in [0, 1] to logits.

    Args:
        model: the whole defence.
        request: how.
        classifier: the classifier inside it, which attacks on it alone differentiate.
    """
    inside = f"{request.name}_inside" if classifier else None
    if inside and classifier:
        _give(inside, given.row(inside, classifier))
    return evaluate_row(given.row(request.name, model, inside=inside), request)


def evaluate_named(text: str, request: Request, *, inside: str | None = None) -> Report:
    """Evaluate what a text names: FILE.py:FUNCTION, or a model of another library.

    Args:
        text: FILE.py:FUNCTION, robustbench:ID, torchvision:NAME or timm:NAME.
        request: how.
        inside: the classifier inside it, named likewise.
    """
    name = f"{request.name}_inside" if inside else None
    if inside and name:
        _give(name, _row(inside, name, request))
    row = _row(text, request.name, request)
    return evaluate_row(row.model_copy(update={"inside": name}) if name else row, request)


def _row(text: str, name: str, request: Request) -> ClassifierSpec:
    library, _, function = text.partition(":")
    if library.endswith(".py"):
        options = {"file": str(Path(library).absolute()), "build": function or "build"}
        return ClassifierSpec(about=text, family="external", training="never", options=options)
    module = named_models.model(text, request.dataset, request.folder)
    return given.row(name, module)


def evaluate_row(row: ClassifierSpec, request: Request) -> Report:
    """Evaluate a defence that a row, such as those of classifiers.yaml, describes."""
    _give(request.name, row)
    table = protocols.table(
        request.protocol, name=request.name, dataset=request.dataset, n=request.n
    )
    stages = plan.of_tables([table])
    for name in dict.fromkeys(stage.cell.dataset for stage in stages):
        if not paths.dataset(name).exists():
            datasets.fetch(name, folder=request.folder)
    with progress(f"{request.name}, {request.protocol}", len(stages), unit="step") as bar:
        for stage in stages:
            if not given.current(stage):
                run(stage, request.device)
            bar.update()
    return Report(request.protocol, aggregate(table=table, results=paths.RESULTS))


def _give(name: str, row: ClassifierSpec) -> None:
    if not _NAME.fullmatch(name):
        raise AtopError(f"name '{name}': only lower-case letters, digits and _")
    config.give_classifier(name, row)
    config.forget()  # presets and cells remember what depends on the rows
