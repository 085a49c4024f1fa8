"""Balls of the threat models Linf and L2: steps, projections, random starts."""

import torch
from torch import Tensor

from atop.core.randomness import Randomness


def steepest(gradient: Tensor, direction: str) -> Tensor:
    """Return a step of size 1 along a gradient: its `sign`, or each example's `unit` vector."""
    if direction == "sign":
        return gradient.sign()
    return gradient / _norms(gradient).clamp(min=1e-12)


def project(x_adv: Tensor, x: Tensor, eps: float, norm: str) -> Tensor:
    """Project x_adv into [0, 1] and within eps of x.

    Linf: the nearest point. L2: along the line to x, then into [0, 1], which brings it closer to x.
    """
    delta = x_adv - x
    if norm == "L2":
        delta = delta * (eps / _norms(delta).clamp(min=1e-12)).clamp(max=1)
    else:
        delta = delta.clamp(-eps, eps)
    return torch.clamp(x + delta, 0, 1)


def random_start(x: Tensor, eps: float, norm: str, randomness: Randomness) -> Tensor:
    """Return a uniformly random point of the ball around x, perhaps outside [0, 1]."""
    shape = tuple(x.shape[1:])
    if norm == "L2":
        towards = steepest(randomness.normal(shape, "start").to(x.dtype), "unit")
        radius = randomness.uniform((1, 1, 1), "radius").to(x.dtype) ** (1 / x[0].numel())
        return x + eps * radius * towards
    return x + eps * (2 * randomness.uniform(shape, "start").to(x.dtype) - 1)


def _norms(values: Tensor) -> Tensor:
    """Return (B, 1, 1, 1) L2 norms."""
    norms: Tensor = values.flatten(1).norm(dim=1)
    return norms[:, None, None, None]


def check_norm(method: str, norm: str) -> str:
    """Return the norm if it is Linf or L2; raise ValueError otherwise."""
    if norm not in ("Linf", "L2"):
        raise ValueError(f"{method}: norm {norm} is not implemented; it takes Linf or L2")
    return norm
