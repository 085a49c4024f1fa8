"""Outcomes of random defences, intervals, comparisons, verdicts; in percent and percentage points.

Every interval covers the sampling of test examples and nothing else: not the training seed, not the
choice of subset by whoever tuned the method.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import scipy  # its parts are imported at first use: scipy.stats takes longer than most jobs need
from numpy.typing import NDArray

from atop.core import intervals

Outcomes = NDArray[np.bool_] | NDArray[np.float64]
"""(draws, n): whether each draw is correct, or shares of draws, in one row."""
Classes = NDArray[np.int_]

METRICS = ("mean", "majority", "all")
"""And tries-K for any K from 2 on: what counts of an example's draws (right)."""

MARGIN = 5.0
"""Differences up to this many points count as the same result."""

VERDICTS = ("consistent", "inconclusive", "higher", "lower", "not comparable")


class Estimate(NamedTuple):
    """A number with its 95% interval, in percent or in percentage points."""

    value: float
    low: float
    high: float


class Paired(NamedTuple):
    """A difference on the same examples, its 95% interval in points, and McNemar's exact p.

    `p` is None where an example was drawn more than once: the test needs one outcome an example.
    """

    value: float
    low: float
    high: float
    p: float | None


def right(predictions: Classes, labels: Classes, metric: str) -> Outcomes:
    """Which examples count as classified rightly.

    Args:
        predictions: (K, n) predicted classes under K draws.
        labels: (n,) true classes.
        metric: `mean` keeps the draws apart. `majority`: more draws predict the label than any
            other class. `all`: every draw predicts the label. `tries-T`: an attacker who may hand
            the same image in T times, each time with a fresh draw, finds no wrong one. Where one
            draw is wrong with probability p, T tries succeed with 1 - (1 - p)^T; the share of the
            groups of T draws that are correct throughout has the mean (1 - p)^T, whatever p is.

    Returns:
        (K, n) for `mean`, otherwise (1, n); shares for `tries-T`.

    Raises:
        ValueError: fewer draws than tries.
    """
    hits: NDArray[np.bool_] = predictions == labels
    if metric == "mean":
        return hits
    if metric == "all":
        every: Outcomes = np.asarray(hits.all(axis=0))[None]
        return every
    if wanted := tries(metric):
        if wanted > len(hits):
            raise ValueError(f"{metric} needs {wanted} draws, got {len(hits)}")
        groups = scipy.special.comb(hits.sum(axis=0), wanted)
        shares: Outcomes = (groups / scipy.special.comb(len(hits), wanted))[None]
        return shares
    classes = np.unique(predictions)[:, None]
    votes = (predictions[:, None, :] == classes).sum(axis=0)
    most_wrong = np.where(classes == labels, 0, votes).max(axis=0)
    won: Outcomes = (hits.sum(axis=0) > most_wrong)[None]
    return won


def tries(metric: str) -> int:
    """How often a metric lets the attacker hand an image in; 0 for one that is not tries-K."""
    name, _, count = metric.partition("-")
    return int(count) if name == "tries" else 0


def worst(hits: Classes, margins: NDArray[np.float64]) -> Classes:
    """(n,) which of A candidates is the worst for each example.

    The one with the fewest right selection draws; then the lowest mean margin; then the first.

    Args:
        hits: (A, n) how many selection draws are right.
        margins: (A, n) mean over the selection draws of the true logit minus the best wrong one.
    """
    first: Classes = np.lexsort((margins, hits), axis=0)[0]  # stable; the last key counts most
    return first


def draw_sd(correct: Outcomes) -> float:
    """Standard deviation over (K, n) draws of one draw's accuracy, in points; NaN for one draw."""
    return 100 * float(correct.mean(axis=1).std(ddof=1)) if len(correct) > 1 else math.nan


def wilson(*, successes: int, n: int) -> Estimate:
    """Accuracy of single outcomes with its Wilson score interval (Wilson, 1927), in percent.

    Unlike the Wald interval it keeps its width at 0% and 100%.

    Raises:
        ValueError: n < 1, or successes outside [0, n].
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} of {n}")
    return _percent(intervals.wilson(successes / n, n))


def exact(value: float) -> Estimate:
    """A number in percent whose sampling error is unknown, taken as it stands."""
    return Estimate(value, value, value)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """The first minus the second of independent estimates, with its interval, in points.

    The square-and-add method (Zou & Donner, 2008): what Newcombe (1998) does with two Wilson
    intervals, for any two.
    """
    found = intervals.apart(intervals.Interval(*first), intervals.Interval(*second))
    return Estimate(*map(float, found))


def accuracy(correct: Outcomes) -> Estimate:
    """Accuracy of (draws, n) outcomes, mean over draws, in percent.

    One draw, or draws that all agree: Wilson. Otherwise Wilson with the effective n of
    intervals.accuracy, because draws of one example are not independent.

    Raises:
        ValueError: not two-dimensional, or empty.
    """
    rates = _rates(correct)
    total, square = rates.sum(), np.square(rates).sum()
    return _percent(
        intervals.accuracy(n=rates.size, total=total, square=square, draws=len(correct))
    )


def mean_difference(per_example: NDArray[np.float64]) -> Estimate:
    """Mean of n differences of the same examples (1 = 100%), in points.

    Between outcomes, between rates, or between such differences, as of clean and adversarial
    accuracy: Bonett & Price (2012), extended to draws that differ by intervals.difference.

    Raises:
        ValueError: not one-dimensional, or empty.
    """
    if per_example.ndim != 1 or per_example.size == 0:
        raise ValueError(f"differences must be (n,), got {per_example.shape}")
    sums = {"total": per_example, "size": np.abs(per_example), "square": np.square(per_example)}
    added = {name: values.sum() for name, values in sums.items()}
    return _percent(intervals.difference(n=per_example.size, **added))


def paired(a: Outcomes, b: Outcomes) -> Paired:
    """Accuracy of a minus accuracy of b in points, both (draws, n) outcomes on the same n examples.

    The interval is that of `mean_difference`: for single draws Bonett & Price's (2012), which adds
    one example that gains and one that loses. Those have the exact McNemar test, two-sided, too.

    Raises:
        ValueError: shapes that do not fit.
    """
    first, second = _rates(a), _rates(b)
    if first.shape != second.shape:
        raise ValueError(f"not the same examples: {first.size} and {second.size}")
    found = mean_difference(first - second)
    if not (_settled(first) and _settled(second)):
        return Paired(*found, p=None)
    gained, lost = int((first > second).sum()), int((first < second).sum())
    discordant = gained + lost
    p = float(scipy.stats.binomtest(gained, discordant).pvalue) if discordant else 1.0
    return Paired(*found, p)


def difference_of_differences(
    attacked: tuple[Outcomes, Outcomes], clean: tuple[Outcomes, Outcomes]
) -> Estimate:
    """By how many points more the first gains over the second under attack than on clean images.

    Above 0 robustness rises; at 0 it is accuracy alone that does. Per example, averaged over draws,
    with an interval over examples.

    Args:
        attacked: (draws, n) outcomes of the first and of the second under an attack.
        clean: the same on clean images; all four on the same n examples.

    Raises:
        ValueError: shapes that do not fit.
    """
    rates = [_rates(one) for one in (*attacked, *clean)]
    if len({one.shape for one in rates}) > 1:
        raise ValueError(f"not the same examples: {', '.join(str(one.size) for one in rates)}")
    return mean_difference((rates[0] - rates[1]) - (rates[2] - rates[3]))


def verdict(difference: Estimate, *, comparable: bool) -> str:
    """What a difference from the paper's number, in points, says: one of VERDICTS.

    This is equivalence testing (Schuirmann, 1987). A difference that is merely "not significant"
    would reward small n; here only an interval that lies inside +-MARGIN earns `consistent`,
    only one beyond it earns `higher` or `lower`, and a wide one is `inconclusive`.
    """
    if not comparable:
        return "not comparable"
    if difference.low > MARGIN:
        return "higher"
    if difference.high < -MARGIN:
        return "lower"
    return "consistent" if inside(difference.low, difference.high) else "inconclusive"


def inside(low: Any, high: Any) -> Any:
    """Whether an interval lies within +-MARGIN: for floats, or for each of their arrays."""
    return (low >= -MARGIN) & (high <= MARGIN)


def _rates(correct: Outcomes) -> NDArray[np.float64]:
    """Share of right draws per example."""
    if correct.ndim != 2 or correct.size == 0:
        raise ValueError(f"outcomes must be (draws, n), got {correct.shape}")
    return np.asarray(correct.mean(axis=0), dtype=np.float64)


def _settled(rates: NDArray[np.float64]) -> bool:
    """Whether each example has a single outcome, so that binomial counts describe them."""
    return bool(np.isin(rates, (0.0, 1.0)).all())


def _percent(found: intervals.Interval) -> Estimate:
    return Estimate(*(100 * float(number) for number in found))
