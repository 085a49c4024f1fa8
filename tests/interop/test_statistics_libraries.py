"""Intervals and tests of single outcomes beside those of statsmodels."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from atop.core import stats

pytestmark = pytest.mark.slow

COUNTS = [(0, 12), (1, 12), (6, 12), (3, 64), (256, 512), (510, 512), (512, 512), (2100, 10_000)]


@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_wilson(k: int, n: int) -> None:
    low, high = proportion_confint(k, n, method="wilson")
    expected = (100 * k / n, 100 * low, 100 * high)
    assert stats.wilson(successes=k, n=n) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("k1", "n1"), COUNTS)
@pytest.mark.parametrize(("k2", "n2"), COUNTS)
def test_differences_of_independent_accuracies(k1: int, n1: int, k2: int, n2: int) -> None:
    low, high = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb")
    first, second = stats.wilson(successes=k1, n=n1), stats.wilson(successes=k2, n=n2)
    found = stats.difference(first, second)
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high), abs=1e-9)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (3, 3), (15, 5), (2, 40)])
def test_mcnemar(gained: int, lost: int) -> None:
    a = np.array([[True] * gained + [False] * lost + [True] * 50])
    b = np.array([[False] * gained + [True] * lost + [True] * 50])
    expected = mcnemar([[50, gained], [lost, 0]], exact=True).pvalue
    assert stats.paired(a, b).p == pytest.approx(expected)
