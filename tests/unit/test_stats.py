"""Intervals and tests against published examples and degenerate cases."""

import math

import numpy as np
import pytest

from atop.core import stats
from atop.core.stats import Estimate


def close(estimate: tuple[float, ...], *expected: float, tolerance: float = 0.05) -> bool:
    return all(
        math.isclose(a, b, abs_tol=tolerance) for a, b in zip(estimate, expected, strict=True)
    )


def newcombe(*, k1: int, n1: int, k2: int, n2: int) -> Estimate:
    return stats.difference(stats.wilson(successes=k1, n=n1), stats.wilson(successes=k2, n=n2))


def outcomes(both: int, first: int, second: int, neither: int) -> tuple[stats.Outcomes, ...]:
    """A 2x2 table as two rows of outcomes."""
    a = [True] * (both + first) + [False] * (second + neither)
    b = [True] * both + [False] * first + [True] * second + [False] * neither
    return np.array([a]), np.array([b])


def test_wilson_as_newcombe_1998_prints_it() -> None:
    # Newcombe (1998), Statistics in Medicine 17:857, Table I: method 3.
    assert close(stats.wilson(successes=81, n=263), 30.80, 25.53, 36.62)
    assert close(stats.wilson(successes=15, n=148), 10.14, 6.24, 16.05)
    assert close(stats.wilson(successes=0, n=20), 0.0, 0.0, 16.11)
    assert close(stats.wilson(successes=1, n=29), 3.45, 0.61, 17.18)


def test_wilson_keeps_its_width_at_the_ends() -> None:
    low, high = stats.wilson(successes=0, n=512), stats.wilson(successes=512, n=512)
    assert low.low == pytest.approx(0, abs=1e-9)
    assert 0.5 < low.high < 1
    assert high.high == pytest.approx(100)
    assert 99 < high.low < 99.5
    with pytest.raises(ValueError):
        stats.wilson(successes=3, n=2)


def test_newcombe_as_newcombe_1998_prints_it() -> None:
    # Newcombe (1998), Statistics in Medicine 17:873, Table II: method 10, in points.
    assert close(newcombe(k1=56, n1=70, k2=48, n2=80), 20.0, 5.24, 33.39, tolerance=0.01)
    assert close(newcombe(k1=9, n1=10, k2=3, n2=10), 60.0, 17.05, 80.90, tolerance=0.01)
    assert close(newcombe(k1=10, n1=10, k2=0, n2=20), 100.0, 67.91, 100.0, tolerance=0.01)


def test_newcombe_changes_sign_with_its_arguments() -> None:
    there = newcombe(k1=56, n1=70, k2=48, n2=80)
    back = newcombe(k1=48, n1=80, k2=56, n2=70)
    assert back == pytest.approx((-there.value, -there.high, -there.low))


def test_difference_from_an_exact_number_has_only_the_measured_width() -> None:
    measured = stats.wilson(successes=400, n=512)
    gap = stats.difference(measured, stats.exact(70.0))
    assert gap == pytest.approx((measured.value - 70, measured.low - 70, measured.high - 70))


def test_mcnemar_exact_and_direction() -> None:
    # 15 gained, 5 lost: two-sided binomial p = 2 * P(X <= 5 | 20, 1/2).
    a, b = outcomes(both=50, first=15, second=5, neither=30)
    result = stats.paired(a, b)
    expected = 2 * sum(math.comb(20, i) for i in range(6)) / 2**20
    assert result.p == pytest.approx(expected)
    assert result.value == pytest.approx(10)
    assert result.low > 0
    back = stats.paired(b, a)
    assert (back.value, back.low, back.high) == pytest.approx(
        (-result.value, -result.high, -result.low)
    )


def test_bonett_price_2012_adds_one_to_both_counts() -> None:
    # R's statpsych, by Bonett himself, prints this for ci.prop.ps(.05, 12, 4, 26, 6).
    a, b = outcomes(both=6, first=26, second=4, neither=12)
    result = stats.paired(a, b)
    assert close(result[:3], 100 * 22 / 48, 25.48067, 62.51933, tolerance=1e-4)


def test_identical_outcomes_do_not_differ_but_keep_a_width() -> None:
    a, _ = outcomes(both=10, first=0, second=0, neither=10)
    result = stats.paired(a, a)
    assert (result.value, result.p) == (0, 1.0)
    assert result.low < 0 < result.high


def test_pairing_beats_independence() -> None:
    a, b = outcomes(both=250, first=40, second=10, neither=212)
    alone = newcombe(k1=290, n1=512, k2=260, n2=512)
    together = stats.paired(a, b)
    assert together.high - together.low < 0.6 * (alone.high - alone.low)


def test_paired_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match="same examples"):
        stats.paired(np.ones((1, 3), bool), np.ones((1, 4), bool))
    with pytest.raises(ValueError, match="draws, n"):
        stats.paired(np.ones(3, bool), np.ones(3, bool))


def test_draws_of_one_example_do_not_count_as_examples() -> None:
    """Ten copies of a draw carry no more information than one."""
    once = np.random.default_rng(1).random((1, 300)) < 0.6
    assert stats.accuracy(np.repeat(once, 10, axis=0)) == stats.accuracy(once)
    settled = stats.accuracy(once)
    assert settled == stats.wilson(successes=int(once.sum()), n=300)


def test_draws_count_as_much_as_their_spread_tells() -> None:
    rng = np.random.default_rng(2)
    rates = rng.beta(2, 1, 400)
    correct = rng.random((20, 400)) < rates
    result = stats.accuracy(correct)
    per_example = correct.mean(axis=0)
    half = 196 * per_example.std() / math.sqrt(400)
    assert result.value == pytest.approx(100 * correct.mean())
    assert result.high - result.low == pytest.approx(2 * half, rel=0.03)
    assert result.high - result.low < stats.accuracy(correct[:1]).high - result.low


def test_a_few_correct_draws_tell_hardly_more_than_none() -> None:
    """0.9% [0.0, 2.2], by a bootstrap, once stood beside 0.0% [0.0, 5.7]."""
    none = np.zeros((10, 64), bool)
    few = none.copy()
    few[:2, :3] = True
    assert close(stats.accuracy(none), 0, 0, 5.66, tolerance=0.01)
    # By hand: rates of 1/5 for three images, so sums 0.6 and 0.12.
    rate = 0.6 / 64
    effective = 64 * (0.6 - 64 * rate**2 + 0.5) / (0.12 - 64 * rate**2 + 0.5)
    centre = (rate + 3.841459 / 2 / effective) / (1 + 3.841459 / effective)
    half = math.sqrt(centre**2 - rate**2 / (1 + 3.841459 / effective))
    expected = (100 * rate, 100 * (centre - half), 100 * (centre + half))
    assert close(stats.accuracy(few), *expected, tolerance=1e-3)
    assert stats.accuracy(few).high > 4


def test_a_few_differences_tell_hardly_more_than_none() -> None:
    none = stats.mean_difference(np.zeros(64))
    assert close(none, 0, -4.20, 4.20, tolerance=0.01)
    few = np.zeros(64)
    few[:3] = 0.2
    # By hand: sums 0.6 and 0.12, so that 0.62 / 1.1 of one gain and of one loss are added.
    m = 64 + 2 * 0.62 / 1.1
    half = 1.959964 * math.sqrt(((0.12 + 2 * 0.62 / 1.1) / m - (0.6 / m) ** 2) / m)
    expected = (60 / 64, 100 * (0.6 / m - half), 100 * (0.6 / m + half))
    assert close(stats.mean_difference(few), *expected, tolerance=1e-3)


def test_a_mean_difference_is_that_of_pairs_and_wider_for_differences_of_pairs() -> None:
    a, b = outcomes(both=50, first=15, second=5, neither=30)
    single = a[0].astype(float) - b[0]
    assert stats.mean_difference(single) == stats.paired(a, b)[:3]
    once, twice = stats.paired(a, b), stats.mean_difference(2 * single)
    assert twice.value == 2 * once.value
    assert twice.high - twice.low > 1.8 * (once.high - once.low)
    with pytest.raises(ValueError, match="must be"):
        stats.mean_difference(np.empty(0))


def test_paired_draws_have_an_interval_and_no_p() -> None:
    rng = np.random.default_rng(3)
    rates = rng.beta(2, 2, 400)
    better, worse = rng.random((10, 400)) < rates + 0.1, rng.random((10, 400)) < rates
    result = stats.paired(better, worse)
    assert result.p is None
    assert 0 < result.low < result.value < result.high < 20


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-4.9, 4.9, "consistent"),
        (-5.0, 5.0, "consistent"),
        (1.0, 4.0, "consistent"),
        (-5.1, 0.0, "inconclusive"),
        (-2.0, 9.0, "inconclusive"),
        (-20.0, 20.0, "inconclusive"),
        (5.1, 9.0, "higher"),
        (5.0, 9.0, "inconclusive"),
        (-9.0, -5.1, "lower"),
    ],
)
def test_verdict(low: float, high: float, expected: str) -> None:
    gap = Estimate((low + high) / 2, low, high)
    assert stats.verdict(gap, comparable=True) == expected
    assert stats.verdict(gap, comparable=False) == "not comparable"


def test_a_small_sample_earns_no_pass() -> None:
    small = newcombe(k1=45, n1=50, k2=461, n2=512)
    assert abs(small.value) < 0.1
    assert stats.verdict(small, comparable=True) == "inconclusive"


# Draws by hand: five examples of three draws, labels 0 1 2 3 4.
DRAWN = np.array([[0, 1, 2, 7, 4], [0, 5, 6, 7, 4], [0, 1, 7, 3, 9]])
TRUE = np.arange(5)


def test_what_counts_of_an_examples_draws() -> None:
    assert stats.correct(DRAWN, TRUE, "mean").tolist() == (DRAWN == TRUE).tolist()
    # A tie of three classes is lost, as is a minority.
    assert stats.correct(DRAWN, TRUE, "majority").tolist() == [[True, True, False, False, True]]
    assert stats.correct(DRAWN, TRUE, "all").tolist() == [[True, False, False, False, False]]


def test_a_plurality_needs_no_half() -> None:
    votes = np.array([[1], [1], [2], [3], [4]])
    assert stats.correct(votes, np.array([1]), "majority").tolist() == [[True]]
    assert stats.correct(votes, np.array([2]), "majority").tolist() == [[False]]
    tie = np.array([[1], [1], [2], [2], [4]])
    assert stats.correct(tie, np.array([1]), "majority").tolist() == [[False]]


def test_one_draw_is_its_own_majority() -> None:
    for metric in stats.METRICS:
        assert stats.correct(DRAWN[:1], TRUE, metric).tolist() == [[True, True, True, False, True]]


def test_the_worst_candidate() -> None:
    hits = np.array([[2, 3, 1, 0], [1, 3, 1, 0], [2, 3, 1, 1]])
    margins = np.array([[-9.0, 0.2, 0.5, 0.1], [9.0, 0.1, 0.5, 0.1], [-9.0, 0.3, 0.4, -9.0]])
    assert stats.worst(hits, margins).tolist() == [1, 1, 2, 0]


def test_spread_over_draws() -> None:
    correct = np.array([[True, True], [True, False], [False, False]])
    assert stats.draw_sd(correct) == pytest.approx(50.0)  # of 100, 50 and 0 percent
    assert math.isnan(stats.draw_sd(correct[:1]))


def test_single_outcomes_get_wilson_and_mcnemar() -> None:
    a = stats.correct(DRAWN, TRUE, "majority")
    b = stats.correct(DRAWN, TRUE, "all")
    assert stats.accuracy(a) == stats.wilson(successes=3, n=5)
    assert stats.paired(a, b).p == pytest.approx(0.5)


def test_tries_are_groups_of_draws() -> None:
    """Of the six pairs of four draws, three are correct where three draws are, one where two."""
    hits = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    shares = stats.correct(hits, np.ones(5, int), "tries-2")
    assert shares == pytest.approx(np.array([[1, 3 / 6, 1 / 6, 0, 0]]))
    every = stats.correct(hits, np.ones(5, int), "tries-4")
    assert every.tolist() == stats.correct(hits, np.ones(5, int), "all").tolist()
    assert stats.accuracy(every) == stats.wilson(successes=1, n=5)
    with pytest.raises(ValueError, match="tries-5 needs 5 draws, got 4"):
        stats.correct(hits, np.ones(5, int), "tries-5")


@pytest.mark.parametrize("tries", [2, 4, 7])
def test_tries_have_the_closed_form_as_their_mean(tries: int) -> None:
    """The attacker succeeds with 1 - (1 - p)^T: summed over all outcomes of ten draws."""
    wrong, draws = 0.35, 10
    found = 0.0
    for count in range(draws + 1):
        hits = (np.arange(draws) < count)[:, None].astype(int)
        chance = math.comb(draws, count) * (1 - wrong) ** count * wrong ** (draws - count)
        found += chance * float(stats.correct(hits, np.ones(1, int), f"tries-{tries}").mean())
    assert 1 - found == pytest.approx(1 - (1 - wrong) ** tries)


def test_difference_of_differences_by_hand() -> None:
    """Five examples, two draws under attack and one on clean images."""
    attacked = np.array([[1, 1, 0, 0, 1], [1, 0, 0, 0, 1]], bool)
    other = np.array([[0, 1, 0, 0, 1], [0, 1, 0, 1, 1]], bool)
    clean, start = np.array([[1, 1, 1, 0, 1]], bool), np.array([[1, 1, 0, 0, 1]], bool)
    found = stats.difference_of_differences((attacked, other), (clean, start))
    each = np.array([1.0, -0.5, -1.0, -0.5, 0.0])
    assert found == pytest.approx(stats.mean_difference(each))
    assert found.value == pytest.approx(-20)
    with pytest.raises(ValueError, match="not the same examples: 5, 5, 5, 4"):
        stats.difference_of_differences((attacked, other), (clean, start[:, :4]))


def test_an_accuracy_that_rises_alone_is_no_robustness() -> None:
    """An attack that takes the same examples from both leaves a gain, and no difference of it."""
    drawn = np.random.default_rng(4)
    start = drawn.random((1, 400)) < 0.4
    clean = start | (drawn.random((1, 400)) < 0.3)
    hit = drawn.random((1, 400)) < 0.05
    assert stats.paired(clean & ~hit, start & ~hit).low > 0
    found = stats.difference_of_differences((clean & ~hit, start & ~hit), (clean, start))
    assert found.low <= found.value <= 0
    assert found.value == pytest.approx(-100 * (hit & clean & ~start).mean())
    robust = stats.difference_of_differences((clean, start & ~hit), (clean, start))
    assert robust.low > 0
