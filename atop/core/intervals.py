"""95% intervals of means over test examples, as fractions, valid near 0 and 1 too.

The unit is the example, not the draw: draws of one example are not independent. The functions take
sums over the examples of a sample, or arrays with one sum for each of many samples, with which
tests/unit/test_coverage.py measures coverage.
"""

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)

PRIOR = 0.5
"""Weight of the variance of single outcomes: with few examples, that of rates is uncertain."""

Sums = Any
"""A float, or an array of floats with one for each sample."""


class Interval(NamedTuple):
    """A number with its 95% interval, or arrays of them."""

    value: Sums
    low: Sums
    high: Sums


def wilson(rate: Sums, n: Sums) -> Interval:
    """Return Wilson's score interval (1927) of a rate in [0, 1]; n may be a fraction."""
    centre = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    return Interval(rate, np.maximum(centre - half, 0), np.minimum(centre + half, 1))


def accuracy(*, n: int, total: Sums, square: Sums, draws: int) -> Interval:
    """Return the mean of n rates in [0, 1], each the share of correct draws of an example.

    This is Wilson's interval with the effective n of a clustered sample: n over the design effect
    (Korn & Graubard, 1998; Franco et al., 2019). Rates between 0 and 1 vary less than single
    outcomes, so each example counts more than once, but at most once per draw. PRIOR is added to
    both variances: near 0% or 100% few examples have such rates, and their variance is uncertain.
    With single draws, or draws that all agree, the interval is Wilson's own.

    Args:
        n: number of examples.
        total: sum of the rates.
        square: sum of the squared rates.
        draws: number of draws of each example.
    """
    rate = total / n
    ratio = (total - n * rate**2 + PRIOR) / (square - n * rate**2 + PRIOR)
    return wilson(rate, n * np.clip(ratio, 1, draws))


def difference(*, n: int, total: Sums, size: Sums, square: Sums) -> Interval:
    """Return the mean of n differences in [-1, 1], each of outcomes or rates of one example.

    For single outcomes this is the adjusted Wald interval of Bonett & Price (2012), recommended by
    Fagerland et al. (2014): it adds one example that gains and one that loses. If no example
    differs, the half width is 2.8 / n, near the rule of three. Agresti & Min (2005) add half as
    much, which covers only 91% if there are some gains and no losses. Rates of several draws differ
    by less than single outcomes, so less is added: the sum of squares over the sum of sizes, with
    PRIOR in both, because few differences give a poor estimate of that ratio.

    Differences of such differences, in [-2, 2], have the same interval.

    Args:
        n: number of examples.
        total: sum of the differences.
        size: sum of the absolute differences.
        square: sum of the squared differences.
    """
    weight = np.minimum((square + PRIOR) / (size + PRIOR), 1)
    m = n + 2 * weight
    centre = total / m
    half = Z * np.sqrt(((square + 2 * weight) / m - centre**2) / m)
    return Interval(total / n, centre - half, centre + half)


def independent_difference(first: Interval, second: Interval) -> Interval:
    """Return the first minus the second of independent numbers.

    The square-and-add method (Zou & Donner, 2008) generalises Newcombe's (1998) from Wilson
    intervals to any.
    """
    value = first.value - second.value
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, value - below, value + above)
