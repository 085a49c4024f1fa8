"""Statistics of outputs and gradients of a defence on a few examples, for checks.

A robust accuracy says little if the gradients that an attack followed are absent, infinite, or not
those of the defence (Carlini et al., 2019, sections 4 and 5; AutoAttack's flags).
"""

import copy

import torch
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.method.attack import cross_entropy
from atop.method.user_module import UserModule

NEGLIGIBLE = 1e-12
"""Norms of gradients below this count as zero: a step along them falls short (steepest in
attacks/_balls.py). Where logits saturate cross-entropy they underflow to less, or to nothing."""

SAME = 1e-4
"""Logits that differ by no more, absolutely and relatively, are the same but for rounding."""

STEP = 1e-6
"""L2 distance from an image for finite differences. In float64 this leaves seven digits and crosses
almost no kink of a piecewise linear network; at 1e-4 kinks leave two digits."""

FLAT = 1e-6
"""Directional derivatives below this, relative to the logits, are rounding and not compared."""

EXAMPLES, COMPARED = 8, 2
"""Number of examples; number of those that are compared with finite differences."""

DRAWS = 3
"""Draws over which gradients are averaged."""

DIRECTIONS = 3
"""Random directions of finite differences."""


def probe(
    defense: nn.Module, x: Tensor, y: Tensor, randomness: Randomness, *, foreign: bool = False
) -> dict[str, float | bool]:
    """Measure a defence on a few examples, one at a time, so that any device can hold them.

    Args:
        defense: called as defense(x, randomness); it can work in float64 unless it is foreign.
        x: (B, 3, H, W) in [0, 1].
        y: (B,) labels.
        randomness: of the examples; draws 0, 1, ... are taken.
        foreign: a module of the user's is in it, which may not work in float64 or not be copied;
            `finite_difference` is then missing.

    Returns:
        `examples`: their number. `zero_gradient`, `nonfinite_gradient`: shares of them with such a
        gradient of cross-entropy. `finite_difference`: the largest relative error of the exact
        gradient, 0 to 2. `probabilities`: outputs are a distribution, not logits. `random`: two
        draws differ. `repeatable`: the same draw gives the same logits twice.
    """
    first, compared = slice(0, 1), slice(0, COMPARED)
    draw = randomness.select(compared).at(0)
    try:
        error = {"finite_difference": finite_difference(defense, x[compared], y[compared], draw)}
    except (RuntimeError, TypeError):
        if not foreign:
            raise
        error = {}
    queries = [_query(defense, x, y, randomness.at(draw)) for draw in range(DRAWS)]
    logits = torch.stack([logits for logits, _ in queries])
    gradient = torch.stack([gradients for _, gradients in queries]).mean(0).flatten(1)
    again, _ = _query(defense, x[first], y[first], randomness.select(first).at(0))
    return {
        "examples": len(x),
        "zero_gradient": float((gradient.norm(dim=1) < NEGLIGIBLE).float().mean()),
        "nonfinite_gradient": float((~gradient.isfinite().all(dim=1)).float().mean()),
        **error,
        "probabilities": _distribution(logits),
        "random": any(not _same(other, logits[0]) for other in logits[1:]),
        "repeatable": _same(again, logits[0, :1]),
    }


@torch.no_grad()
def probe_module(module: UserModule, x: Tensor, randomness: Randomness) -> dict[str, bool]:
    """Measure what only a module of the user's can have.

    Returns:
        `training`: it was given in training mode. `seeded`: its draws come from global generators.
        `batch`: the logits of an image depend on the other images; not known if `seeded`.
    """
    known = {"training": module.given_training, "seeded": module.seeded}
    if module.seeded:
        return known
    parts = (slice(k, k + 1) for k in range(len(x)))
    single = torch.cat([module(x[part], randomness.select(part)) for part in parts])
    return {**known, "batch": not _same(module(x, randomness), single)}


def finite_difference(defense: nn.Module, x: Tensor, y: Tensor, randomness: Randomness) -> float:
    """Largest relative error of exact gradients against central differences at a fixed draw.

    The function is the true logit minus the largest other one, which unlike cross-entropy does not
    saturate. Its derivatives along random directions are compared: they show an error anywhere in
    the gradient. All in float64, on a copy.

    Returns:
        0 if they agree, 1 if either is zero where the other is not, at most 2.
    """
    twin = copy.deepcopy(defense).double()
    inside = x.double().clamp(0.01, 0.99)  # black and white lie on the kinks of clamps
    errors = []
    for i in range(len(x)):
        draw = randomness.select(slice(i, i + 1))
        derivatives = _derivatives(twin, inside[i : i + 1], int(y[i]), draw)
        errors.append(_relative_error(*derivatives))
    return max(errors)


def _query(
    defense: nn.Module, x: Tensor, y: Tensor, randomness: Randomness
) -> tuple[Tensor, Tensor]:
    """(B, classes) logits and (B, 3, H, W) gradients of the cross-entropy of each."""
    answers = []
    for i in range(len(x)):
        example = slice(i, i + 1)
        moved = x[example].detach().clone().requires_grad_(True)
        logits = defense(moved, randomness.select(example))
        # With the second term the gradient is zero if a defence cuts the graph.
        loss = cross_entropy(logits, y[example]) + 0 * moved.sum()
        answers.append((logits.detach(), *torch.autograd.grad(loss.sum(), moved)))
    logits, gradients = zip(*answers, strict=True)
    return torch.cat(logits), torch.cat(gradients)


def _derivatives(
    defense: nn.Module, x: Tensor, label: int, randomness: Randomness
) -> tuple[Tensor, Tensor, float]:
    """Directional derivatives of an example (1, 3, H, W), exact and measured; the largest logit."""
    moved = x.clone().requires_grad_(True)
    logits = defense(moved, randomness)[0]
    others = torch.arange(len(logits), device=logits.device) != label
    rival = int(torch.where(others, logits, -torch.inf).argmax())
    gap = logits[label] - logits[rival] + 0 * moved.sum()
    (gradient,) = torch.autograd.grad(gap, moved)
    exact, measured = [], []
    for draw in range(DIRECTIONS):
        signs = (randomness.at(draw).uniform(tuple(x.shape[1:]), "direction") - 0.5).sign()
        direction = signs.to(x) / x.numel() ** 0.5
        with torch.no_grad():
            ends = [defense(x + step * direction, randomness)[0] for step in (STEP, -STEP)]
        up, down = (end[label] - end[rival] for end in ends)
        exact.append((gradient * direction).sum())
        measured.append((up - down) / (2 * STEP))
    return torch.stack(exact), torch.stack(measured), float(logits.detach().abs().max())


def _relative_error(exact: Tensor, measured: Tensor, scale: float) -> float:
    larger = torch.maximum(exact.norm(), measured.norm())
    error = (exact - measured).norm() / larger.clamp(min=FLAT * (1 + scale))
    return float(error.nan_to_num(nan=2.0, posinf=2.0))


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=SAME, atol=SAME, equal_nan=True)


def _distribution(outputs: Tensor) -> bool:
    """Whether (..., classes) outputs lie in [0, 1] and sum to 1."""
    inside = outputs.min() >= -SAME and outputs.max() <= 1 + SAME
    return bool(inside and (outputs.sum(-1) - 1).abs().max() <= SAME)
