"""AutoAttack's sub-attacks on a random target, without the gate of the library.

The library's `perturb` skips images that its first draw misclassifies, and judges success and loss
by single draws. Here its iterations run on all images. APGD uses gradients averaged over draws, and
compares iterates by losses under the same draws. Each run returns several candidates.
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
from atop.method.eot import eot_gradient, expected_logits, expected_loss

Outputs = tuple[Tensor, Tensor, Tensor]
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
    """Return the candidates of a sub-attack for all examples, as float32.

    APGD: the iterate of the highest loss, and the last one. FAB: the nearest iterate that some draw
    misclassified, which may lie outside the ball, and the last one. Both for each target class.
    Square, whose queries average over `average` draws: the iterate of the lowest margin. Their
    number is the same for every batch. `options` are all OPTIONS of the attack.
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
        expected = Expectation(target, randomness, eot=options["eot"], dtype=x.dtype)
        return _apgd(attack, expected, single, y, **ball)


class Expectation:
    """A target for APGD, whose logits, losses and gradients are averages over `eot` draws.

    It has the library's interface to TensorFlow, which returns all three in one call. For networks
    of torch the library averages gradients only: the loss of a single draw would choose the best
    iterate and the steps that are halved.

    Each query takes new draws for the gradient, but the same draws for the loss, so that the
    comparison of two iterates does not depend on the draws.

    Attributes:
        last_input: (B, 3, H, W) of the last query.
    """

    def __init__(
        self, target: Target, randomness: Randomness, *, eot: int, dtype: torch.dtype
    ) -> None:
        self.target, self.randomness, self.eot, self.dtype = target, randomness, eot, dtype
        self.draws = itertools.count(int(randomness.draw))
        self.compared = replace(randomness, stream=f"{randomness.stream}:compared").at(0)
        self.last_input = torch.empty(0)

    def logits(self, x: Tensor) -> Tensor:
        """Return (B, classes)."""
        draw = self.randomness.at(next(self.draws))
        return expected_logits(self.target, x.to(self.dtype), draw, eot=self.eot)

    def get_logits_loss_grad_xent(self, x: Tensor, y: Tensor) -> Outputs:
        """Query with the cross-entropy."""
        return self._query(x, y, cross_entropy)

    def get_logits_loss_grad_dlr(self, x: Tensor, y: Tensor) -> Outputs:
        """Query with the DLR loss."""
        return self._query(x, y, _dlr)

    def get_logits_loss_grad_target(self, x: Tensor, y: Tensor, aim: Tensor) -> Outputs:
        """Query with the targeted DLR loss; aim (B,) are the target classes."""
        return self._query(x, torch.stack((y, aim), dim=1), _dlr_targeted)

    @torch.enable_grad()
    def _query(self, x: Tensor, y: Tensor, loss: Loss) -> Outputs:
        self.last_input = x.detach()
        x_wide, draw = x.detach().to(self.dtype), self.randomness.at(next(self.draws))
        result = eot_gradient(self.target, x_wide, y, loss, draw, eot=self.eot)
        losses = expected_loss(self.target, x_wide, y, loss, self.compared, eot=self.eot)
        return result.logits.float(), losses.float(), result.gradient.float()


def _dlr(logits: Tensor, y: Tensor) -> Tensor:
    return APGDAttack_targeted.dlr_loss(None, logits, y)  # type: ignore[no-any-return]


def _dlr_targeted(logits: Tensor, pairs: Tensor) -> Tensor:
    """Return (B,) losses for pairs (B, 2) of label and target class."""
    y, aim = pairs.unbind(1)
    return APGDAttack_targeted.dlr_loss_targeted(SimpleNamespace(y_target=aim), logits, y)  # type: ignore[no-any-return]


def _apgd(
    attack: str, target: Expectation, x: Tensor, y: Tensor, *, options: dict[str, int], **ball: Any
) -> list[Tensor]:
    aims = _wrong(target.logits(x), y)[: options["targets"]] if "targets" in options else [None]
    method = sub_attack(attack, target, options={**options, "eot": 1}, **ball)
    method.is_tf_model = True
    method.init_hyperparam(x)
    results = []
    for method.y_target in aims:
        best, *_ = method.attack_single_run(x, y)
        results += [best, target.last_input]
    return results


def _fab(
    model: Model, x: Tensor, y: Tensor, *, options: dict[str, int], **ball: Any
) -> list[Tensor]:
    logits = model(x)
    method = sub_attack("fab-t", model, options=options, **ball)
    method.target_class = 1  # the most likely class of the logits that follow
    results = []
    for aim in _wrong(logits, y)[: options["targets"]]:
        method._predict_fn = partial(_constant, F.one_hot(aim, logits.shape[1]))
        method._get_predicted_label = labels = _Labels(model, y)
        results += [method.attack_single_run(x, y, is_targeted=True), labels.last_input]
    return results


class _Labels:
    """Predicted labels (B,) for FAB; in its first query all are correct, so that it skips none.

    Attributes:
        last_input: (B, 3, H, W) of the last query.
    """

    def __init__(self, model: Model, y: Tensor) -> None:
        self.model, self.y = model, y
        self.last_input = torch.empty(0)

    def __call__(self, x: Tensor) -> Tensor:
        first, self.last_input = not len(self.last_input), x.clone()
        return self.y if first else self.model(x).argmax(1)


def _constant(logits: Tensor, x: Tensor) -> Tensor:
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
    """Return a positive margin, so that Square never stops; it keeps steps of lower loss."""
    _, loss = margin_and_loss(x, y)
    return torch.ones_like(loss), loss


def _wrong(logits: Tensor, y: Tensor) -> Tensor:
    """Return (classes - 1, B) wrong classes, the most likely first."""
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.argsort(1, descending=True)[:, :-1].T
