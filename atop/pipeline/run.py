"""Runs a stage of the DAG: the one place where classes of stages meet the code that does them."""

from pathlib import Path

import torch

from atop.experiment.stages.attack import Attack
from atop.experiment.stages.evaluation import Evaluate, TraceImages
from atop.experiment.stages.stage import Stage
from atop.experiment.stages.training import Finetune, Pretrain, TrainClassifier, Tune
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.evaluation.evaluate import evaluate
from atop.pipeline.evaluation.trace_images import trace
from atop.pipeline.training import jobs


def run(stage: Stage, device: torch.device) -> Path:
    """Run a stage on a device; return the path of its file."""
    match stage:
        case TrainClassifier():
            return jobs.classifier(stage, device)
        case Pretrain():
            return jobs.pretrain(stage, device)
        case Finetune():
            return jobs.finetune(stage, device)
        case Tune():
            return jobs.tune(stage, device)
        case Attack():
            return make_adversarial(stage, device)
        case Evaluate():
            return evaluate(stage, device)
        case TraceImages():
            return trace(stage, device)
    raise TypeError(f"{type(stage).__name__}: no code runs it")
