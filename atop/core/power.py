"""Power of the comparison with the paper: chances of the verdict `consistent`."""

import numpy as np
import scipy
from numpy.typing import NDArray

from atop.core import intervals, stats


def consistent(accuracy: float, *, ours: int, theirs: int) -> float:
    """Return the chance that an exact replication earns the verdict `consistent`.

    The chance is exact: a sum over all counts of correct outcomes on both sides.

    Args:
        accuracy: of the method, in [0, 1], the same on both sides.
        ours: number of our test examples.
        theirs: number of the paper's test examples, independent of ours.
    """
    our_rates, our_chances = _accuracies(accuracy, ours)
    their_rates, their_chances = _accuracies(accuracy, theirs)
    rows = intervals.Interval(*(numbers[:, None] for numbers in our_rates))
    gap = intervals.independent_difference(rows, their_rates)
    return float(our_chances @ stats.inside(100 * gap.low, 100 * gap.high) @ their_chances)


def _accuracies(accuracy: float, n: int) -> tuple[intervals.Interval, NDArray[np.float64]]:
    """Return the accuracies that n examples may have and their chances, if above 1e-12."""
    chances = scipy.stats.binom.pmf(np.arange(n + 1), n, accuracy)
    counts = np.flatnonzero(chances > 1e-12)
    return intervals.wilson(counts / n, n), chances[counts]
