"""AutoAttack's sub-attacks on a random target, without the gate of the library.

The library's `perturb` starts with one look and leaves out whom that draw misclassifies; it reads
success and loss from one draw, too. Here its iterations run on everybody, APGD follows gradients
expected over its draws and compares iterates by their losses under draws that stay the same, and
each run hands several results to the judge.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from pyautoattack.autopgd_base import APGDAttack_targeted
from torch import Tensor

from atop.core.randomness import Randomness
from atop.method.attack import Loss, Target, cross_entropy
from atop.method.autoattack_library import Model, model_of, sub_attack
from atop.method.eot import expected_logits, expected_loss, slope

Told = tuple[Tensor, Tensor, Tensor]
"""Logits (B, classes), losses (B,) and their gradients (B, 3, H, W)."""


def candidates(
    attack: str,
    target: Target,
    x: Tensor,
    y: Tensor,
    randomness: Randomness,
    *,
    norm: str,
    eps: float,
    average: int,
    options: dict[str, int],
) -> list[Tensor]:
    """What a sub-attack finds for each example, whatever single draws say of it.

    APGD: the iterate of the highest loss, and the last one. FAB: the nearest iterate that some draw
    misclassified, which may lie outside the ball, and the last one. Both for each target class.
    Square: the iterate of the lowest margin.

    Args:
        attack: a name of OPTIONS (atop/method/autoattack_library.py).
        target: draws at random.
        x: (B, 3, H, W) in [0, 1], in whose dtype the target is called.
        y: (B,) labels.
        randomness: of the batch.
        norm: Linf or L2.
        eps: radius of the ball.
        average: draws that a query of Square averages over.
        options: all that OPTIONS lists for the attack, by name.

    Returns:
        Tensors like x but float32, as many for every batch.
    """
    ball: dict[str, Any] = {"norm": norm, "eps": eps, "seed": randomness.seed, "options": options}
    single = x.float()
    with torch.random.fork_rng([x.device] if x.is_cuda else []), torch.no_grad():
        torch.random.manual_seed(randomness.seed)  # as the library does
        if attack == "square":
            mean = partial(expected_logits, target, eot=average)
            return _square(model_of(mean, x, randomness), single, y, **ball)
        if attack == "fab-t":
            return _fab(model_of(target, x, randomness), single, y, **ball)
        look = Expectation(target, randomness, eot=options["eot"], dtype=x.dtype)
        return _apgd(attack, look, single, y, **ball)


class Expectation:
    """A target as APGD looks at it: all that it learns is expected over `eot` draws.

    The library asks networks of TensorFlow for logits, losses and gradients in one call, and takes
    them as they are told. Of other networks it averages gradients only: what it keeps as the best
    iterate, and where it halves its steps, would follow the loss of one draw.

    Gradients are of fresh draws at each look. Losses are of the same ones at every look: which of
    two iterates is better is then no matter of luck.

    Attributes:
        asked: (B, 3, H, W), where it was looked at last.
    """

    def __init__(
        self, target: Target, randomness: Randomness, *, eot: int, dtype: torch.dtype
    ) -> None:
        self.target, self.randomness, self.eot, self.dtype = target, randomness, eot, dtype
        self.draws = itertools.count(int(randomness.draw))
        self.compared = replace(randomness, stream=f"{randomness.stream}:compared").at(0)
        self.asked = torch.empty(0)

    def logits(self, x: Tensor) -> Tensor:
        """(B, classes)."""
        draw = self.randomness.at(next(self.draws))
        return expected_logits(self.target, x.to(self.dtype), draw, eot=self.eot)

    def get_logits_loss_grad_xent(self, x: Tensor, y: Tensor) -> Told:
        """Of the cross-entropy."""
        return self._look(x, y, cross_entropy)

    def get_logits_loss_grad_dlr(self, x: Tensor, y: Tensor) -> Told:
        """Of the DLR loss."""
        return self._look(x, y, _dlr)

    def get_logits_loss_grad_target(self, x: Tensor, y: Tensor, aim: Tensor) -> Told:
        """Of the targeted DLR loss; aim (B,) are the target classes."""
        return self._look(x, torch.stack((y, aim), dim=1), _dlr_targeted)

    @torch.enable_grad()
    def _look(self, x: Tensor, y: Tensor, loss: Loss) -> Told:
        self.asked = x.detach()
        wide, draw = x.detach().to(self.dtype), self.randomness.at(next(self.draws))
        found = slope(self.target, wide, y, loss, draw, eot=self.eot)
        level = expected_loss(self.target, wide, y, loss, self.compared, eot=self.eot)
        return found.logits.float(), level.float(), found.gradient.float()


def _dlr(logits: Tensor, y: Tensor) -> Tensor:
    return APGDAttack_targeted.dlr_loss(None, logits, y)  # type: ignore[no-any-return]


def _dlr_targeted(logits: Tensor, both: Tensor) -> Tensor:
    """(B,) losses for labels and target classes, (B, 2)."""
    y, aim = both.unbind(1)
    return APGDAttack_targeted.dlr_loss_targeted(SimpleNamespace(y_target=aim), logits, y)  # type: ignore[no-any-return]


def _apgd(
    attack: str, look: Expectation, x: Tensor, y: Tensor, *, options: dict[str, int], **ball: Any
) -> list[Tensor]:
    aims = _wrong(look.logits(x), y)[: options["targets"]] if "targets" in options else [None]
    method = sub_attack(attack, look, options={**options, "eot": 1}, **ball)
    method.is_tf_model = True
    method.init_hyperparam(x)
    found = []
    for method.y_target in aims:
        best, *_ = method.attack_single_run(x, y)
        found += [best, look.asked]
    return found


def _fab(
    model: Model, x: Tensor, y: Tensor, *, options: dict[str, int], **ball: Any
) -> list[Tensor]:
    logits = model(x)
    method = sub_attack("fab-t", model, options=options, **ball)
    method.target_class = 1  # of the logits that it asks for next, the most likely class
    found = []
    for aim in _wrong(logits, y)[: options["targets"]]:
        method._predict_fn = partial(_certain, F.one_hot(aim, logits.shape[1]))
        method._get_predicted_label = labels = _Labels(model, y)
        found += [method.attack_single_run(x, y, is_targeted=True), labels.asked]
    return found


class _Labels:
    """What FAB is told of labels (B,): at first that all are classified correctly.

    Attributes:
        asked: (B, 3, H, W), for which it asked last.
    """

    def __init__(self, model: Model, y: Tensor) -> None:
        self.model, self.y = model, y
        self.asked = torch.empty(0)

    def __call__(self, x: Tensor) -> Tensor:
        first, self.asked = not len(self.asked), x.clone()
        return self.y if first else self.model(x).argmax(1)


def _certain(logits: Tensor, x: Tensor) -> Tensor:
    return logits


def _square(
    model: Model, x: Tensor, y: Tensor, *, options: dict[str, int], **ball: Any
) -> list[Tensor]:
    method = sub_attack("square", model, options=options, **ball)
    method.margin_and_loss = partial(_never_fooled, method.margin_and_loss)
    method.init_hyperparam(x)
    _, best = method.attack_single_run(x, y)
    return [best]


def _never_fooled(
    margin_and_loss: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor]:
    """Square goes on while the margin is positive, and keeps what lowers the loss."""
    _, loss = margin_and_loss(x, y)
    return torch.ones_like(loss), loss


def _wrong(logits: Tensor, y: Tensor) -> Tensor:
    """(classes - 1, B) wrong classes, the most likely first."""
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.argsort(1, descending=True)[:, :-1].T
