"""Runs a stage of the DAG: the one place where its classes meet the code that does the work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from atop.experiment.stages.attack import Attack
from atop.experiment.stages.evaluation import Evaluate, TraceImages
from atop.experiment.stages.finetuning import Finetune, Pretrain, Tune
from atop.experiment.stages.stage import Stage
from atop.experiment.stages.training import TrainClassifier
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.evaluation.evaluate import evaluate
from atop.pipeline.evaluation.trace_images import trace
from atop.pipeline.training import jobs

_RUN: dict[type[Stage], Callable[[Any, torch.device], Path]] = {
    TrainClassifier: jobs.classifier,
    Pretrain: jobs.pretrain,
    Finetune: jobs.finetune,
    Tune: jobs.tune,
    Attack: make_adversarial,
    Evaluate: evaluate,
    TraceImages: trace,
}


def run(stage: Stage, device: torch.device) -> Path:
    """Run a stage on a device; return the path of its file."""
    return _RUN[type(stage)](stage, device)
