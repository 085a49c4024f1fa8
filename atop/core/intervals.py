"""95% intervals of means over test examples, as fractions, near 0 and 1 too.

Each example counts as one, however often it was drawn: draws of one example are not independent.
The functions take sums over the examples of a sample, or arrays of sums, one for each of many
samples: so tests/unit/test_coverage.py measures how often they cover.
"""

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)

PRIOR = 0.5
"""So much of the variance of single outcomes joins that of rates, of which few examples tell."""

Sums = Any
"""A float, or an array of floats with one for each sample."""


class Interval(NamedTuple):
    """A number with its 95% interval, or arrays of them."""

    value: Sums
    low: Sums
    high: Sums


def wilson(rate: Sums, n: Sums) -> Interval:
    """Wilson's score interval (1927) of a rate in [0, 1], of n examples; n need not be whole."""
    centre = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    return Interval(rate, np.maximum(centre - half, 0), np.minimum(centre + half, 1))


def accuracy(*, n: int, total: Sums, square: Sums, draws: int) -> Interval:
    """Mean of n rates in [0, 1], each the share of correct draws of an example.

    Wilson's interval with the effective n of a clustered sample, which is n over the design effect
    (Korn & Graubard, 1998; Franco et al., 2019). Rates that lie between 0 and 1 vary less than
    single outcomes would: by so much more their examples count, up to all draws. PRIOR is added
    to both variances, since the few examples that are not all 0 near 0%, or all 1 near 100%, tell
    little of how rates vary. Draws that all agree, and single ones, leave Wilson's own interval.

    Args:
        n: number of examples.
        total: sum of their rates.
        square: sum of their squared rates.
        draws: of each example.
    """
    rate = total / n
    ratio = (total - n * rate**2 + PRIOR) / (square - n * rate**2 + PRIOR)
    return wilson(rate, n * np.clip(ratio, 1, draws))


def difference(*, n: int, total: Sums, size: Sums, square: Sums) -> Interval:
    """Mean of n differences, each of outcomes or rates of one example, so in [-1, 1].

    Of single outcomes it is the adjusted Wald interval of Bonett & Price (2012), which Fagerland et
    al. (2014) recommend: with one more example that gains and one that loses. No difference among
    n examples leaves 2.8 / n each way, near the rule of three; Agresti & Min (2005) add half as
    much, and cover only 91% where there are a few gains and no losses. Rates of several draws
    differ by less than single outcomes do, and by so much less is added: the sum of squares over
    the sum of sizes, with PRIOR in both, for few differences tell little of their kind.

    Differences of such differences, in [-2, 2], have the same interval.

    Args:
        n: number of examples.
        total: sum of their differences.
        size: sum of their absolute differences.
        square: sum of their squared differences.
    """
    weight = np.minimum((square + PRIOR) / (size + PRIOR), 1)
    m = n + 2 * weight
    centre = total / m
    half = Z * np.sqrt(((square + 2 * weight) / m - centre**2) / m)
    return Interval(total / n, centre - half, centre + half)


def apart(first: Interval, second: Interval) -> Interval:
    """The first minus the second of independent numbers.

    The square-and-add method (Zou & Donner, 2008): what Newcombe (1998) does with two Wilson
    intervals, for any two.
    """
    value = first.value - second.value
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, value - below, value + above)
