"""How often a replication earns the verdict `consistent`: what one can expect of a verdict."""

import numpy as np
import scipy
from numpy.typing import NDArray

from atop.core import intervals, stats


def consistent(accuracy: float, *, ours: int, theirs: int) -> float:
    """Chance that an exact replication is found `consistent` with the number it repeats.

    Exact: the sum over all counts of single outcomes that both sides may see.

    Args:
        accuracy: of the method, in [0, 1]: the same on both sides.
        ours: number of our test examples.
        theirs: number of theirs, drawn apart from ours.
    """
    (mine, chance), (other, its_chance) = _seen(accuracy, ours), _seen(accuracy, theirs)
    rows = intervals.Interval(*(numbers[:, None] for numbers in mine))
    gap = intervals.apart(rows, other)
    return float(chance @ stats.inside(100 * gap.low, 100 * gap.high) @ its_chance)


def _seen(accuracy: float, n: int) -> tuple[intervals.Interval, NDArray[np.float64]]:
    """Accuracies that n examples may show, with their chances; without those below 1e-12."""
    chances = scipy.stats.binom.pmf(np.arange(n + 1), n, accuracy)
    counts = np.flatnonzero(chances > 1e-12)
    return intervals.wilson(counts / n, n), chances[counts]
