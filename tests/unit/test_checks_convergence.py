"""Suspicions of a budget that is too small: each fires where it should and only there."""

from typing import Any

import pytest
from support.attack_records import STRICT, N, Record, entry, names, record, text

from atop.results.checks import findings
from atop.results.checks.convergence import REACHED, STILL_FALLING


@pytest.mark.parametrize("key", ["eot", "steps"])
def test_a_budget_whose_last_enlargement_still_lowers_accuracy(key: str) -> None:
    def sweep(*right: int, n: int = N, **more: Any) -> Record:
        rows = [{**STRICT, key: 10 * 2**k} for k in range(len(right))]
        made = [entry(f"at-{row[key]}", k, row, n=n) for row, k in zip(rows, right, strict=True)]
        return record(*reversed(made), n=n, **more)

    found = sweep(80, 60, 50)
    assert names(found) == [f"{key}-not-converged"]
    assert text(found).startswith("at-40 (50.0%) is still 10.0 points [3.4, 16.2] below at-20")
    slack = int(10 * STILL_FALLING)
    assert findings(sweep(800, 600, 600 - slack, n=1000)) == []
    assert len(findings(sweep(800, 600, 599 - slack, n=1000))) == 1
    assert findings(sweep(80, 60)) != []
    assert findings(sweep(40, 30, 28, n=64)) == []  # 3.1 points, of 64 examples
    assert names(sweep(100, 30, 19, n=1000)) == [f"{key}-not-converged"]  # a third of 3%
    assert findings(sweep(100, 30, 20, n=1000)) == []
    assert findings(sweep(80, 60, 50, grey=True)) == []


def test_draws_and_steps_may_only_help_together() -> None:
    def joint(*right: int, **changes: Any) -> Record:
        rows = [{**STRICT, "eot": 10 * 2**k, "steps": 100 * 2**k} for k in range(len(right))]
        rows[-1] |= changes
        return record(*(entry(f"at-{k}", count, rows[k]) for k, count in enumerate(right)))

    assert names(joint(80, 60, 50)) == ["joint-not-converged"]
    assert text(joint(80, 60, 50)).startswith("at-2 (50.0%) is still 10.0 points")
    assert findings(joint(80, 60, 58)) == []
    assert findings(joint(80, 60)) == []  # two may as well be two attacks
    assert findings(joint(80, 60, 50, steps=500)) == []
    assert findings(joint(80, 60, 50, loss="margin")) == []
    assert findings({**joint(80, 60, 50), "victim": "bare"}) == []


def test_a_sweep_of_radii_ends_at_zero() -> None:
    def sweep(*right: int | list[int], **more: Any) -> Record:
        rows = [{**STRICT, "eps": f"{2**k}/255"} for k in range(len(right))]
        made = [entry(f"at-{k}", count, rows[k]) for k, count in enumerate(right)]
        return record(*reversed(made), **more)

    assert names(sweep(90, 40, 3)) == ["eps-sweep-does-not-reach-zero"]
    assert (
        text(sweep(90, 40, 3)) == "at-2 (3.0%) is not 0% at the largest radius of the sweep, 4/255"
    )
    assert findings(sweep(90, 40, int(REACHED))) == []
    assert len(findings(sweep(90, 40, [1, 2]))) == 1
    assert findings(sweep(90, 40)) == []
    assert findings(sweep(90, 40, 3, grey=True)) == []
