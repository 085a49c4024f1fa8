"""The one place that knows how AutoAttack (Croce & Hein, 2020) is packaged.

PyPI has AutoAttack as `pyautoattack`, with a keyword-only constructor and renamed arguments, while
robustbench 1.1.1 imports `autoattack` and calls the old signature. `robustbench()` puts an alias in
place that translates. `sub_attack` is a part of it alone, `flags` the checks that come before it.
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
from atop.method.eot import slope

Model = Callable[[Tensor], Tensor]
"""What pyautoattack attacks: (B, 3, H, W) float32 in [0, 1] -> (B, classes) float32 logits."""

_OPTIONS = {
    "steps": "n_iter",
    "eot": "eot_iter",
    "targets": "n_target_classes",
    "queries": "n_queries",
    "rescale": "resc_schedule",
}
_LOG = logging.Logger("pyautoattack")  # outside the tree of loggers, so that nothing prints it
_LOG.addHandler(logging.NullHandler())

_APGD = {"n_restarts": 1, "rho": 0.75, "logger": _LOG}

# Its class, what pyautoattack.AutoAttack gives it in every version, what is left to choose.
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
    """A sub-attack as pyautoattack.AutoAttack sets it up, but for its options.

    They go through the constructors, where APGD turns its number of steps into checkpoints.

    Args:
        attack: a name of OPTIONS.
        model: what is attacked, a Model; or what the library takes for a network of TensorFlow.
        norm: Linf or L2.
        eps: radius of the ball.
        seed: of the library's own draws, the same ones for every batch.
        options: all that OPTIONS lists for the attack, by name.
    """
    kind, fixed, _ = _SUBATTACKS[attack]
    given = {_OPTIONS[name]: value for name, value in options.items()}
    return kind(model, norm=norm, eps=eps, seed=seed, **fixed, **given)


def perturb(method: Any, x: Tensor, y: Tensor) -> Tensor:
    """Run a sub-attack on x (B, 3, H, W) float32 in [0, 1] with labels y (B,).

    The library reseeds torch's global generators; here they come back as they were.

    Returns:
        (B, 3, H, W), within eps of x up to rounding; x itself where nothing was found.
    """
    with torch.random.fork_rng([x.device] if x.is_cuda else []), torch.no_grad():
        return method.perturb(x, y)  # type: ignore[no-any-return]


def model_of(target: Target, x: Tensor, randomness: Randomness) -> Model:
    """A target as pyautoattack calls it: every call is a draw of its own.

    The library hands over any part of a batch, so nobody knows which example a row is. Draws are
    therefore those of a stream that the batch has to itself, one index to a row.

    Args:
        target: what is attacked.
        x: the batch that is attacked, in whose dtype the target is called.
        randomness: of that batch.
    """
    stream = f"{randomness.stream}:{int(randomness.index[0])}"
    draws = itertools.count(int(randomness.draw))

    def model(rows: Tensor) -> Tensor:
        index = torch.arange(len(rows), device=rows.device)
        draw = replace(randomness, stream=stream, index=index, draw=next(draws))
        return target(rows.to(x.dtype), draw).float()

    return model


class _Listener(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def listening() -> Iterator[list[str]]:
    """The warnings of `perturb` and `flags` inside the block, as they come."""
    listener = _Listener()
    _LOG.addHandler(listener)
    try:
        yield listener.messages
    finally:
        _LOG.removeHandler(listener)


def flags(target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> list[str]:
    """What AutoAttack's checks object to in a target (its flags_doc.md), in their words.

    They look for a random target, probabilities instead of logits, a target that differentiates on
    its own, too few classes for the DLR losses, and margins without a gradient at x. AutoAttack
    asks whether a target is random under `standard` only.

    Args:
        target: what is attacked.
        x: (B, 3, H, W) in [0, 1].
        y: (B,) labels.
        randomness: of the batch.
    """
    model, single = model_of(target, x, randomness), x.float()
    with listening() as messages:
        checks.check_randomized(model, single, y, logger=_LOG)
        classes = checks.check_range_output(model, single, logger=_LOG)
        _check_dynamic(model, single)
        checks.check_n_classes(classes, list(OPTIONS), classes - 1, classes - 1, logger=_LOG)
        found = slope(lambda rows, _: model(rows), x, y, margin, randomness, eot=1)
        checks.check_zero_gradients(found.gradient.flatten(1), logger=_LOG)
    return messages


def _check_dynamic(model: Model, x: Tensor) -> None:
    """The check for gradients taken inside a target, which counts calls over the whole process."""
    tracer = sys.gettrace()
    checks.funcs.update(dict.fromkeys(checks.funcs, 0))
    try:
        checks.check_dynamic(model, x, logger=_LOG)
    finally:
        sys.settrace(tracer)
