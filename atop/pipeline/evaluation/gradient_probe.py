"""What the outputs and gradients of a defence look like on a few examples: the data of checks.

A robust accuracy says little if the gradients that an attack followed are absent, infinite, or not
those of the defence (Carlini et al., 2019, sections 4 and 5; AutoAttack's flags).
"""

import copy

import torch
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.method.attack import cross_entropy

NEGLIGIBLE = 1e-12
"""Norms of gradients below this count as zero: a step along them falls short (steepest in
attacks/_balls.py). Where logits saturate cross-entropy they underflow to less, or to nothing."""

SAME = 1e-4
"""Logits that differ by no more, absolutely and relatively, are the same but for rounding."""

STEP = 1e-6
"""Distance from a picture, in L2, at which differences are taken. In float64 this leaves seven
digits and crosses next to no kink of a piecewise linear network; at 1e-4 kinks leave two."""

FLAT = 1e-6
"""Slopes below this, relative to the logits, are rounding and are not compared."""

EXAMPLES, COMPARED = 8, 2
"""How many examples to hand in; how many of them are compared with finite differences."""

DRAWS = 3
"""Over so many draws gradients are averaged."""

DIRECTIONS = 3
"""Random directions along which differences are taken."""


def probe(
    defense: nn.Module, x: Tensor, y: Tensor, randomness: Randomness
) -> dict[str, float | bool]:
    """Measure a defence on a few examples, one at a time, so that any device can hold them.

    Args:
        defense: called as defense(x, randomness); it can work in float64.
        x: (B, 3, H, W) in [0, 1].
        y: (B,) labels.
        randomness: of the examples, at whose draws 0, 1, ... it looks.

    Returns:
        `examples`: how many were looked at. `zero_gradient`, `nonfinite_gradient`: shares of them
        whose gradient of cross-entropy is so. `finite_difference`: the largest relative error of
        the exact gradient, 0 to 2. `probabilities`: outputs are a distribution, not logits.
        `random`: two draws differ. `repeatable`: the same draw, taken twice, does not.
    """
    first, few = slice(0, 1), slice(0, COMPARED)
    error = finite_difference(defense, x[few], y[few], randomness.select(few).at(0))
    looks = [_look(defense, x, y, randomness.at(draw)) for draw in range(DRAWS)]
    logits = torch.stack([one for one, _ in looks])
    gradient = torch.stack([one for _, one in looks]).mean(0).flatten(1)
    again, _ = _look(defense, x[first], y[first], randomness.select(first).at(0))
    return {
        "examples": len(x),
        "zero_gradient": float((gradient.norm(dim=1) < NEGLIGIBLE).float().mean()),
        "nonfinite_gradient": float((~gradient.isfinite().all(dim=1)).float().mean()),
        "finite_difference": error,
        "probabilities": _distribution(logits),
        "random": any(not _same(one, logits[0]) for one in logits[1:]),
        "repeatable": _same(again, logits[0, :1]),
    }


def finite_difference(defense: nn.Module, x: Tensor, y: Tensor, randomness: Randomness) -> float:
    """Relative error of exact gradients against central differences at a fixed draw, the largest.

    Compared are slopes of the true logit minus that of the strongest rival, which unlike
    cross-entropy does not saturate, along random directions: there an error shows by its share of
    the gradient, wherever it lies. All in float64, on a copy.

    Returns:
        0 if they agree, 1 if either is zero where the other is not, at most 2.
    """
    twin = copy.deepcopy(defense).double()
    inside = x.double().clamp(0.01, 0.99)  # black and white lie on the kinks of clamps
    errors = []
    for i in range(len(x)):
        one = randomness.select(slice(i, i + 1))
        errors.append(_relative_error(*_slopes(twin, inside[i : i + 1], int(y[i]), one)))
    return max(errors)


def _look(
    defense: nn.Module, x: Tensor, y: Tensor, randomness: Randomness
) -> tuple[Tensor, Tensor]:
    """(B, classes) logits and (B, 3, H, W) gradients of the cross-entropy of each."""
    found = []
    for i in range(len(x)):
        one = slice(i, i + 1)
        moved = x[one].detach().clone().requires_grad_(True)
        logits = defense(moved, randomness.select(one))
        # The second term leaves a gradient of zero where a defence cuts the graph.
        loss = cross_entropy(logits, y[one]) + 0 * moved.sum()
        found.append((logits.detach(), *torch.autograd.grad(loss.sum(), moved)))
    logits, gradients = zip(*found, strict=True)
    return torch.cat(logits), torch.cat(gradients)


def _slopes(
    defense: nn.Module, x: Tensor, label: int, randomness: Randomness
) -> tuple[Tensor, Tensor, float]:
    """Slopes of one example (1, 3, H, W), by its gradient and as measured; how large logits are."""
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
