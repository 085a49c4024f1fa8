"""Whether an attack was given enough: draws, steps, and a ball in which nothing can stand."""

from collections import defaultdict

from atop.core import stats
from atop.results.checks.reading import Entry, Found, Reading, clearly, series

STILL_FALLING = stats.MARGIN / 2
"""Points that the last enlargement of a budget may take. If each takes half of what the one before
took, what is to come is as much again; both together then keep within what counts as the same."""

SHARE = 1 / 3
"""The share of what is left that the last enlargement may take: where little is left, all of it
may be less than STILL_FALLING points."""

SWEEP = 3
"""Radii of a sweep, and points of draws and steps together: two may as well be two attacks."""

REACHED = 1.0
"""Percent that counts as none: a draw may be lucky now and then."""


def not_converged(reading: Reading) -> Found:
    """The largest number of draws, of steps, or of both still lowers accuracy clearly."""
    if reading.grey_box:
        return
    for key in ("eot", "steps"):
        for group in series(reading.own, key):
            yield from _still_falling(reading, key, *group[-2:])
    for group in _joint(reading):
        yield from _still_falling(reading, "joint", *group[-2:])


def _still_falling(reading: Reading, key: str, smaller: Entry, larger: Entry) -> Found:
    """What the last enlargement took, if more than STILL_FALLING or than SHARE of what was left."""
    if gap := clearly(smaller, larger, min(STILL_FALLING, SHARE * smaller.accuracy)):
        text = (
            f"{larger} still takes {gap.value:.1f} points [{gap.low:.1f}, {gap.high:.1f}] "
            f"off {smaller}: more may take more"
        )
        yield f"{key}-not-converged", text + reading.few


def _joint(reading: Reading) -> list[list[Entry]]:
    """Attacks whose draws and steps rise in the same ratio and that differ in nothing else."""
    groups: dict[tuple[str, float], list[Entry]] = defaultdict(list)
    for one in reading.own:
        if one.attacks and one.budget.get("steps") and one.budget.get("eot"):
            ratio = one.number("steps") / one.number("eot")
            groups[one.but("eot", "steps"), ratio].append(one)
    ordered = [sorted(group, key=lambda one: one.number("steps")) for group in groups.values()]
    return [group for group in ordered if len(group) >= SWEEP]


def sweep_does_not_reach_zero(reading: Reading) -> Found:
    """An attack without bound must succeed (Athalye et al., 2018a): 0% at the largest radius."""
    for group in () if reading.grey_box else series(reading.own, "eps"):
        last = group[-1]
        if len(group) >= SWEEP and last.accuracy > REACHED:
            text = f"{last} ends the sweep at eps {last.budget['eps']} and not at 0%"
            yield "eps-sweep-does-not-reach-zero", text + reading.few


CHECKS = (not_converged, sweep_does_not_reach_zero)
