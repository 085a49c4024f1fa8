"""Parts of defences and of their training that several tests need."""

import torch
from torch import Tensor, nn

from atop.experiment import config
from atop.method.attacks.fgsm import FGSM
from atop.method.registry import build
from atop.method.transform import Transform
from atop.pipeline.training.purifier import Classification, PurifierTrainer

TINY_DMAE: dict[str, int] = {
    "pixels": 32, "patch": 4, "width": 16, "depth": 1, "heads": 2,
    "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2,
}  # fmt: skip


def random_transform(name: str) -> Transform:
    """A random transform with its hyper-parameters, whatever a preset makes of them."""
    return build("transforms", name, **config.transform(name))  # type: ignore[no-any-return]


def atop_term(classifier: nn.Module) -> Classification:
    """The AToP term: FGSM on the bare classifier."""
    fgsm = FGSM(norm="Linf", eps=8 / 255, eot=1)
    return Classification(
        classify=classifier,
        attack=lambda x, y, draw: fgsm(lambda x, _: classifier(x), x, y, draw),
    )


def gradient(stage: PurifierTrainer) -> Tensor:
    """What the last step descended."""
    parts = [p.grad.flatten() for p in stage.purifier.parameters() if p.grad is not None]
    return torch.cat(parts)
