"""What an exact replication can expect, and what tables/README.md and the legend say of it."""

import numpy as np
import pytest

from atop.core import power, stats
from atop.core.files import ROOT
from atop.reporting import notes

HEAD = ("n = 512", "n = 10,000", "n = 10,000, the paper's too")
SIZES = ((512, 512), (10_000, 512), (10_000, 10_000))
ACCURACIES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9)


def table() -> str:
    lines = [f"| true accuracy | {' | '.join(HEAD)} |", f"|{' --- |' * (1 + len(HEAD))}"]
    for accuracy in ACCURACIES:
        found = [power.consistent(accuracy, ours=ours, theirs=theirs) for ours, theirs in SIZES]
        lines.append(f"| {accuracy:.0%} | {' | '.join(f'{chance:.0%}' for chance in found)} |")
    return "\n".join(lines)


def test_the_table_that_readers_see() -> None:
    text = (ROOT / "tables" / "README.md").read_text()
    assert text.split("<!-- power -->")[1].split("<!-- end of power -->")[0].strip() == table()


def test_chances_are_those_of_simulated_replications() -> None:
    """Each simulated one goes through the functions that judge the records."""
    drawn = np.random.default_rng(0).binomial(512, 0.9, size=(2000, 2))
    pairs = [[stats.wilson(successes=int(k), n=512) for k in pair] for pair in drawn]
    verdicts = [stats.verdict(stats.difference(*pair), comparable=True) for pair in pairs]
    share = verdicts.count("consistent") / len(verdicts)
    assert power.consistent(0.9, ours=512, theirs=512) == pytest.approx(share, abs=0.03)


def test_chances_grow_with_n_and_to_the_ends() -> None:
    chances = [power.consistent(0.9, ours=n, theirs=512) for n in (64, 512, 2048, 10_000)]
    assert chances == sorted(chances)
    assert chances[0] < 0.01
    ends = [power.consistent(p, ours=512, theirs=512) for p in (0.5, 0.8, 0.9, 0.98)]
    assert ends == sorted(ends)
    assert power.consistent(0.02, ours=512, theirs=512) == pytest.approx(ends[-1])


def test_where_the_legend_says_that_512_cannot_do() -> None:
    """Equal counts are what earns the most."""
    same = [stats.wilson(successes=k, n=512) for k in range(513)]
    earned = [stats.verdict(stats.difference(one, one), comparable=True) for one in same]
    never = [
        one.value for one, verdict in zip(same, earned, strict=True) if verdict != "consistent"
    ]
    assert (round(min(never)), round(max(never))) == (21, 79)
    assert "between about 21% and 79%" in dict(notes.LEGEND)["inconclusive"]
