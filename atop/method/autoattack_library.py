"""The library of AutoAttack (Croce & Hein, 2020), which PyPI has as `pyautoattack`.

`sub_attack` builds one of its attacks, `flags` runs the checks that it does before an attack.
"""

import itertools
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from pyautoattack import checks
from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
from pyautoattack.fab_pt import FABAttack_PT
from pyautoattack.square import SquareAttack
from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.attack import Target, margin
from atop.method.eot import eot_gradient

Model = Callable[[Tensor], Tensor]
"""A target of pyautoattack: (B, 3, H, W) float32 in [0, 1] -> (B, classes) float32 logits."""

_OPTIONS = {
    "steps": "n_iter",
    "eot": "eot_iter",
    "targets": "n_target_classes",
    "queries": "n_queries",
    "rescale": "resc_schedule",
}
_LOG = logging.Logger("pyautoattack")  # outside the tree of loggers: nothing prints it
_LOG.addHandler(logging.NullHandler())

_APGD = {"n_restarts": 1, "rho": 0.75, "logger": _LOG}

# Class, arguments that pyautoattack.AutoAttack gives it in every version, remaining options.
_SUBATTACKS: dict[str, tuple[type, dict[str, Any], tuple[str, ...]]] = {
    "apgd-ce": (APGDAttack, {**_APGD, "loss": "ce"}, ("steps", "eot")),
    "apgd-dlr": (APGDAttack, {**_APGD, "loss": "dlr"}, ("steps", "eot")),
    "apgd-t": (APGDAttack_targeted, _APGD, ("steps", "eot", "targets")),
    "fab-t": (FABAttack_PT, {"n_restarts": 1, "targeted": True}, ("steps", "targets")),
    "square": (SquareAttack, {"n_restarts": 1, "p_init": 0.8}, ("queries", "rescale")),
}
OPTIONS = {name: options for name, (_, _, options) in _SUBATTACKS.items()}
"""The options of each sub-attack."""


def sub_attack(
    attack: str, model: Any, *, norm: str, eps: float, seed: int, options: dict[str, int]
) -> Any:
    """Build a sub-attack as pyautoattack.AutoAttack does, but with our options.

    The constructor gets all OPTIONS of the attack, because APGD's computes checkpoints from the
    number of steps. `model` is a Model, or has the library's interface to TensorFlow. The library's
    own draws depend only on `seed`, and are the same for every batch.
    """
    kind, fixed, _ = _SUBATTACKS[attack]
    chosen = {_OPTIONS[name]: value for name, value in options.items()}
    return kind(model, norm=norm, eps=eps, seed=seed, **fixed, **chosen)


def perturb(method: Any, x: Tensor, y: Tensor) -> Tensor:
    """Run a sub-attack on x (B, 3, H, W) float32 in [0, 1] with labels y (B,).

    The library reseeds torch's global generators; here their states are restored.

    Returns:
        (B, 3, H, W), within eps of x up to rounding; x itself if no adversarial image was found.
    """
    with torch.random.fork_rng([x.device] if x.is_cuda else []), torch.no_grad():
        return method.perturb(x, y)  # type: ignore[no-any-return]


def model_of(target: Target, x: Tensor, randomness: Randomness) -> Model:
    """Return a target as a Model, in which every call is a new draw, in the dtype of the batch x.

    The library passes parts of a batch without saying which examples they hold. Draws therefore
    use a stream of the batch's own, and number the rows of each call.
    """
    stream = f"{randomness.stream}:{int(randomness.index[0])}"
    draws = itertools.count(int(randomness.draw))

    def model(rows: Tensor) -> Tensor:
        index = torch.arange(len(rows), device=rows.device)
        draw = replace(randomness, stream=stream, index=index, draw=next(draws))
        return target(rows.to(x.dtype), draw).float()

    return model


class _Messages(logging.Handler):
    """Keeps the messages that are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def captured_warnings() -> Iterator[list[str]]:
    """Yield a list that receives the warnings of `perturb` and `flags` inside the block."""
    handler = _Messages()
    _LOG.addHandler(handler)
    try:
        yield handler.messages
    finally:
        _LOG.removeHandler(handler)


def flags(target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> list[str]:
    """Return the warnings of AutoAttack's checks about a target (its flags_doc.md).

    They detect a random target, probabilities instead of logits, a target that itself computes
    gradients, too few classes for the DLR losses, and zero gradients of the margin at x. AutoAttack
    checks for randomness in version `standard` only.
    """
    model, single = model_of(target, x, randomness), x.float()
    with captured_warnings() as messages:
        checks.check_randomized(model, single, y, logger=_LOG)
        classes = checks.check_range_output(model, single, logger=_LOG)
        _check_dynamic(model, single)
        checks.check_n_classes(classes, list(OPTIONS), classes - 1, classes - 1, logger=_LOG)
        result = eot_gradient(lambda rows, _: model(rows), x, y, margin, randomness, eot=1)
        checks.check_zero_gradients(result.gradient.flatten(1), logger=_LOG)
    return messages


def _check_dynamic(model: Model, x: Tensor) -> None:
    """Run the check for gradients inside a target, which counts calls in all of the process."""
    tracer = sys.gettrace()
    checks.funcs.update(dict.fromkeys(checks.funcs, 0))
    try:
        checks.check_dynamic(model, x, logger=_LOG)
    finally:
        sys.settrace(tracer)
