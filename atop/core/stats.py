"""Outcomes of random defences, intervals, comparisons, verdicts; in percent and percentage points.

Every interval covers the sampling of test examples only: not the training seed, nor the choice of
the subset on which the method was tuned.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import scipy  # imports its parts at first use: scipy.stats takes longer than most jobs
from numpy.typing import NDArray

from atop.core import intervals

Outcomes = NDArray[np.bool_] | NDArray[np.float64]
"""(draws, n) correctness of each draw, or (1, n) shares of correct draws."""
Classes = NDArray[np.int_]

METRICS = ("mean", "majority", "all")
"""Metrics of an example's draws, with tries-K for any K from 2 on; see `correct`."""

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

    `p` is None if outcomes are means over draws: the test needs one outcome per example.
    """

    value: float
    low: float
    high: float
    p: float | None


def correct(predictions: Classes, labels: Classes, metric: str) -> Outcomes:
    """Return the outcomes that count for a metric.

    Args:
        predictions: (K, n) predicted classes under K draws.
        labels: (n,) true classes.
        metric: `mean`: each draw is an outcome. `majority`: more draws predict the label than any
            other class. `all`: every draw predicts the label. `tries-T`: all of T draws predict
            the label, as when an attacker submits the same image T times. If one draw is wrong with
            probability p, they do so with probability (1 - p)^T, of which the share of the groups
            of T draws that are all correct is an unbiased estimate.

    Returns:
        (K, n) for `mean`, otherwise (1, n); shares for `tries-T`.

    Raises:
        ValueError: fewer draws than tries.
    """
    hits: NDArray[np.bool_] = predictions == labels
    if metric == "mean":
        return hits
    if metric == "all":
        return np.asarray(hits.all(axis=0, keepdims=True))
    if count := tries(metric):
        if count > len(hits):
            raise ValueError(f"{metric} needs {count} draws, got {len(hits)}")
        groups = scipy.special.comb(hits.sum(axis=0), count)
        shares: Outcomes = (groups / scipy.special.comb(len(hits), count))[None]
        return shares
    classes = np.unique(predictions)[:, None]
    votes = (predictions[:, None, :] == classes).sum(axis=0)
    most_wrong = np.where(classes == labels, 0, votes).max(axis=0)
    majority: Outcomes = (hits.sum(axis=0) > most_wrong)[None]
    return majority


def tries(metric: str) -> int:
    """Return the number of tries of a metric tries-K; 0 for other metrics."""
    name, _, count = metric.partition("-")
    return int(count) if name == "tries" else 0


def worst(hits: Classes, margins: NDArray[np.float64]) -> Classes:
    """Return (n,) indices of the worst of A candidates for each example.

    It has the fewest correct selection draws; then the lowest mean margin; then it is the first.

    Args:
        hits: (A, n) numbers of correct selection draws.
        margins: (A, n) means over the selection draws of the true logit minus the best wrong one.
    """
    first: Classes = np.lexsort((margins, hits), axis=0)[0]  # stable; the last key counts most
    return first


def draw_sd(correct: Outcomes) -> float:
    """Return the standard deviation of a draw's accuracy over K draws, in points; NaN for K = 1."""
    return 100 * float(correct.mean(axis=1).std(ddof=1)) if len(correct) > 1 else math.nan


def wilson(*, successes: int, n: int) -> Estimate:
    """Return the accuracy of single outcomes with its Wilson score interval (1927), in percent.

    Unlike the Wald interval it keeps its width at 0% and 100%.

    Raises:
        ValueError: n < 1, or successes outside [0, n].
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} of {n}")
    return _percent(intervals.wilson(successes / n, n))


def exact(value: float) -> Estimate:
    """Return a number in percent without sampling error, because that is unknown."""
    return Estimate(value, value, value)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Return the first minus the second of independent estimates, in points."""
    numbers = intervals.independent_difference(
        intervals.Interval(*first), intervals.Interval(*second)
    )
    return Estimate(*map(float, numbers))


def accuracy(correct: Outcomes) -> Estimate:
    """Return the accuracy of (draws, n) outcomes, mean over draws, in percent.

    The interval is Wilson's with the effective n of intervals.accuracy, because draws of one
    example are not independent.

    Raises:
        ValueError: not two-dimensional, or empty.
    """
    rates = _rates(correct)
    total, square = rates.sum(), np.square(rates).sum()
    return _percent(
        intervals.accuracy(n=rates.size, total=total, square=square, draws=len(correct))
    )


def mean_difference(per_example: NDArray[np.float64]) -> Estimate:
    """Return the mean of (n,) differences on the same examples (1 = 100%), in points.

    They are differences of outcomes, of rates, or of such differences, as between clean and
    adversarial accuracy; the interval is that of intervals.difference.

    Raises:
        ValueError: not one-dimensional, or empty.
    """
    if per_example.ndim != 1 or per_example.size == 0:
        raise ValueError(f"differences must be (n,), got {per_example.shape}")
    total, size = per_example.sum(), np.abs(per_example).sum()
    square = np.square(per_example).sum()
    return _percent(intervals.difference(n=per_example.size, total=total, size=size, square=square))


def paired(a: Outcomes, b: Outcomes) -> Paired:
    """Return the accuracy of a minus that of b, both (draws, n) on the same n examples, in points.

    The interval is that of `mean_difference`. Single draws also have the exact McNemar test,
    two-sided.

    Raises:
        ValueError: shapes that do not fit.
    """
    first, second = _rates(a), _rates(b)
    if first.shape != second.shape:
        raise ValueError(f"not the same examples: {first.size} and {second.size}")
    estimate = mean_difference(first - second)
    if not (_settled(first) and _settled(second)):
        return Paired(*estimate, p=None)
    gained, lost = int((first > second).sum()), int((first < second).sum())
    discordant = gained + lost
    p = float(scipy.stats.binomtest(gained, discordant).pvalue) if discordant else 1.0
    return Paired(*estimate, p)


def difference_of_differences(
    attacked: tuple[Outcomes, Outcomes], clean: tuple[Outcomes, Outcomes]
) -> Estimate:
    """Return the gain of the first over the second under attack minus that on clean images.

    In points. Above 0 robustness rises; at 0 only accuracy does. Draws of an example are averaged;
    the interval is over examples.

    Args:
        attacked: (draws, n) outcomes of the first and of the second under an attack.
        clean: the same on clean images; all four on the same n examples.

    Raises:
        ValueError: shapes that do not fit.
    """
    rates = [_rates(outcomes) for outcomes in (*attacked, *clean)]
    if len({values.shape for values in rates}) > 1:
        sizes = ", ".join(str(values.size) for values in rates)
        raise ValueError(f"not the same examples: {sizes}")
    return mean_difference((rates[0] - rates[1]) - (rates[2] - rates[3]))


def verdict(difference: Estimate, *, comparable: bool) -> str:
    """Return one of VERDICTS for a difference from the paper's number, in points.

    This is equivalence testing (Schuirmann, 1987). A test for "not significant" would reward small
    n; here only an interval inside +-MARGIN is `consistent`, only one outside of it is `higher` or
    `lower`, and all others are `inconclusive`.
    """
    if not comparable:
        return "not comparable"
    if difference.low > MARGIN:
        return "higher"
    if difference.high < -MARGIN:
        return "lower"
    return "consistent" if inside(difference.low, difference.high) else "inconclusive"


def inside(low: Any, high: Any) -> Any:
    """Return true if an interval lies within +-MARGIN; elementwise for arrays."""
    return (low >= -MARGIN) & (high <= MARGIN)


def _rates(correct: Outcomes) -> NDArray[np.float64]:
    """Return the share of correct draws per example."""
    if correct.ndim != 2 or correct.size == 0:
        raise ValueError(f"outcomes must be (draws, n), got {correct.shape}")
    return np.asarray(correct.mean(axis=0), dtype=np.float64)


def _settled(rates: NDArray[np.float64]) -> bool:
    """Return true if each example has a single outcome, so that the counts are binomial."""
    return bool(np.isin(rates, (0.0, 1.0)).all())


def _percent(interval: intervals.Interval) -> Estimate:
    return Estimate(*(100 * float(number) for number in interval))
