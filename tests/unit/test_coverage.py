"""How often the intervals in use cover what they are of: in 93 to 99% of simulated samples.

Images have rates (how often a draw is correct) from laws with a known mean; the draws of an image
are independent given its rate. A law is 512 equally likely images, so that the chance of each
outcome of a random one is a plain mean, and a sample of n images is one multinomial draw. Coverage
of binomial outcomes jumps from rate to rate: a cell is the mean over five rates close to its own.
"""

from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as distributions
from scipy.special import comb, ndtr, ndtri

from atop.core import intervals
from atop.core.files import ROOT
from atop.results import released

Array = NDArray[np.float64]

pytestmark = pytest.mark.slow

LEAST, MOST = 93.0, 99.0
SAMPLES = 1000
"""Of each of five rates. The five of a cell measure a coverage of 95% to 0.3 (sd)."""

NS = (12, 64, 256, 512)
DRAWS = (1, 4, 10, 20)
ALIKE = (0, 0.1, 0.4, 0.75, 1)
"""Intraclass correlations: 0 where all images have one rate, 1 where each is always correct or
never. In the released records of ten draws they lie between 0.14 and 1, half of them below 0.43."""

CORRELATED = (0, 0.8)
"""How the difficulties of an image correlate, for two defences or under two attacks."""

NEAR = (0.8, 0.9, 1.0, 1.1, 1.2)
RATES = (0, 0.01, 0.02, 0.05, 0.1, 0.3, 0.5, 0.9, 0.99, 1)
PAIRS = (
    (0, 0), (0.01, 0), (0.01, 0.01), (0.02, 0.02), (0.05, 0.02), (0.05, 0.05), (0.1, 0.05),
    (0.3, 0.3), (0.5, 0.3), (0.8, 0.55), (0.99, 0.98), (0.99, 0.05), (1, 0),
)  # fmt: skip
GAINS = (
    (0.02, 0.01, 0.9, 0.9), (0.05, 0.02, 0.8, 0.55), (0.02, 0.02, 0.02, 0.02),
    (0.01, 0, 0.99, 0.99), (0.3, 0.1, 0.8, 0.6),
)  # fmt: skip
PRINTED = (
    (0, 0), (0.01, 0.01), (0.02, 0.02), (0.05, 0.02), (0.3, 0.3), (0.5, 0.4), (0.9, 0.9), (1, 1),
)  # fmt: skip

# Where the sum over all images of a sample has a smaller variance than this, as close to 0 and
# 100%, most samples show none of it. An interval that allows for what may be there then covers
# more than MOST, as those of single outcomes do.
FEW, FEW_DIFFERENCES = 1, 6

POINTS = ndtri(distributions.qmc.Sobol(5, seed=0).random(512))
"""Standard normal: what an image has in common for all outcomes, then for each of four."""


@cache
def rates(alike: float, mean: float, own: int, correlated: float) -> Array:
    """(512,) rates of images: Beta with a mean and an intraclass correlation."""
    mixed = np.sqrt(correlated) * POINTS[:, 0] + np.sqrt(1 - correlated) * POINTS[:, 1 + own]
    uniform = ndtr(mixed)
    if mean in (0, 1) or alike == 0:
        return np.full(len(uniform), float(mean))
    if alike == 1:
        return (uniform < mean).astype(float)
    size = (1 - alike) / alike
    found: Array = distributions.beta.ppf(uniform, mean * size, (1 - mean) * size)
    return found


def counts(rate: Array, draws: int) -> Array:
    """(images, draws + 1) chances of each number of correct draws."""
    count, rate = np.arange(draws + 1), rate[:, None]
    found: Array = comb(draws, count) * rate**count * (1 - rate) ** (draws - count)
    return found


def minus(first: Array, second: Array) -> Array:
    """(images, differences) chances of the differences of two counts, from the lowest up."""
    low = second.shape[1] - 1
    found = np.zeros((len(first), first.shape[1] + low))
    for count, chance in enumerate(second.T):
        found[:, low - count : low - count + first.shape[1]] += first * chance[:, None]
    return found


class Law:
    """What a random image shows, in steps of 1 / draws: a rate, or a difference about 0."""

    def __init__(self, chances: Array, draws: int) -> None:
        mean = chances.mean(axis=0)
        start = 0 if len(mean) == draws + 1 else (1 - len(mean)) // 2
        self.chances, self.draws = mean / mean.sum(), draws
        self.values = (start + np.arange(len(mean))) / draws
        self.mean = float(self.chances @ self.values)
        self.variance = float(self.chances @ self.values**2) - self.mean**2

    def interval(self, n: int) -> intervals.Interval:
        """The interval in use, of each of some samples of n images."""
        seen = np.random.default_rng(0).multinomial(n, self.chances, size=SAMPLES)
        total, square = seen @ self.values, seen @ self.values**2
        if self.values[0] == 0:
            return intervals.accuracy(n=n, total=total, square=square, draws=self.draws)
        return intervals.difference(n=n, total=total, size=seen @ abs(self.values), square=square)

    def covered(self, n: int) -> float:
        """Percent of samples of n images whose interval holds the mean."""
        return share(self.interval(n), self.mean)


def share(found: intervals.Interval, mean: float) -> float:
    """Percent of intervals that hold a number, up to rounding."""
    return 100 * float(((found.low <= mean + 1e-12) & (mean <= found.high + 1e-12)).mean())


def close(rate: float) -> list[float]:
    """Rates near one, as far from 0 or 1 as it is, to a fifth."""
    return [by * rate if rate <= 0.5 else 1 - by * (1 - rate) for by in NEAR]


@cache
def law(draws: int, alike: float, correlated: float, *means: float) -> Law:
    """Of one outcome; of a pair, first less second; of four, that less third less fourth."""
    found = [counts(rates(alike, p, own, correlated), draws) for own, p in enumerate(means)]
    if len(found) == 1:
        return Law(found[0], draws)
    first, *others = [minus(*found[k : k + 2]) for k in range(0, len(found), 2)]
    return Law(minus(first, *others) if others else first, draws)


def bounds(n: int, variance: float, few: float, rate: float = 0.5) -> tuple[float, float]:
    """Between which percentages a coverage must lie, for n images with a variance."""
    # One success of 12 lifts Wilson's lower end above 1.4% (Brown, Cai & DasGupta, 2001).
    least = 88.0 if n == 12 and rate in (0.01, 0.99) else LEAST
    return least, MOST if n * variance >= few else 100.0


def outside(n: int, cells: list[tuple[float, ...]], few: float) -> list[str]:
    """Cells of draws, alike, correlated and means whose coverage is out of bounds."""
    found = []
    for draws, alike, correlated, *means in cells:
        laws = [
            law(draws, alike, correlated, *near) for near in zip(*map(close, means), strict=True)
        ]
        coverage = np.mean([one.covered(n) for one in laws])
        rate = means[0] if len(means) == 1 else 0.5
        low, high = bounds(n, laws[2].variance, few, rate)
        if not low <= coverage <= high:
            found.append(f"{draws} draws, alike {alike}, {correlated}, {means}: {coverage:.1f}%")
    return found


@pytest.mark.parametrize("n", NS)
def test_accuracies(n: int) -> None:
    assert not outside(n, list(product(DRAWS, ALIKE, (0,), RATES)), FEW)


@pytest.mark.parametrize("n", NS)
def test_differences_of_pairs(n: int) -> None:
    cells = [(*one, *pair) for *one, pair in product(DRAWS, ALIKE, CORRELATED, PAIRS)]
    assert not outside(n, cells, FEW_DIFFERENCES)


@pytest.mark.parametrize("n", NS)
def test_differences_of_differences(n: int) -> None:
    cells = [(*one, *four) for *one, four in product(DRAWS, ALIKE, CORRELATED, GAINS)]
    assert not outside(n, cells, FEW_DIFFERENCES)


@pytest.mark.parametrize("theirs", [512, 10_000])
@pytest.mark.parametrize("n", NS)
def test_differences_from_printed_numbers(n: int, theirs: int) -> None:
    wrong = []
    for draws, alike, (rate, other) in product(DRAWS, ALIKE, PRINTED):
        coverage, variance = [], 0.0
        for ours, printed in zip(close(rate), close(other), strict=True):
            here = law(draws, alike, 0, ours)
            seen = np.random.default_rng(1).binomial(theirs, printed, size=SAMPLES)
            gap = intervals.independent_difference(
                here.interval(n), intervals.wilson(seen / theirs, theirs)
            )
            coverage.append(share(gap, here.mean - printed))
            variance = here.variance
        low, high = bounds(n, variance, FEW, rate)
        if not low <= np.mean(coverage) <= high:
            wrong.append(f"{draws} draws, alike {alike}, {rate} and {other}: {np.mean(coverage)}")
    assert not wrong


def seen_rates() -> list[list[Array]]:
    """Rates of the same 64 images under one attack after another, a list for each defence."""
    found = []
    for record in released.read(ROOT / "results" / "released" / "strict.jsonl").values():
        labels = np.array(record["labels"])
        drawn = [np.array(one["predictions"]) == labels for one in record["evaluations"]]
        found.append([one.mean(axis=0) for one in drawn if len(one) == 10])
    return found


@pytest.mark.parametrize("n", [64, 512])
def test_laws_as_released(n: int) -> None:
    """Images with the rates that the records show, instead of a law."""
    defences = [[counts(rate, 10) for rate in each] for each in seen_rates()]
    assert len(defences) > 5
    laws = [(Law(one, 10), FEW) for each in defences for one in each]
    for clean, *attacked in defences:
        laws += [(Law(minus(clean, one), 10), FEW_DIFFERENCES) for one in attacked]
    for first, second in pairwise(defences):
        gains = [minus(a, b) for a, b in zip(first, second, strict=False)]
        laws += [(Law(one, 10), FEW_DIFFERENCES) for one in gains]
        laws += [(Law(minus(gains[0], one), 10), FEW_DIFFERENCES) for one in gains[1:]]
    wrong = []
    for one, few in laws:
        low, high = bounds(n, one.variance, few)
        # One rate each, and not the mean over five: Wilson's own interval covers 92% of 1 in 64.
        if not low - 1 <= one.covered(n) <= high:
            wrong.append((one.mean, n * one.variance, one.covered(n)))
    assert not wrong
