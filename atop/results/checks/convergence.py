"""Checks that an attack had enough draws and steps, and that a large ball breaks the defence."""

from atop.core import stats
from atop.results.checks.reading import Entry, Findings, Reading, clearly, series

STILL_FALLING = stats.MARGIN / 2
"""Points by which the last increase of a budget may lower accuracy. If each increase lowers it by
half as much as the one before, all later ones together lower it by as much again; the sum then
stays within stats.MARGIN."""

SHARE = 1 / 3
"""Share of the remaining accuracy that the last increase may take: where little remains, all of it
may be less than STILL_FALLING points."""

SWEEP = 3
"""Fewest radii of a sweep, and fewest points of draws and steps together."""

REACHED = 1.0
"""Percent that counts as none: a draw may be lucky now and then."""


def not_converged(reading: Reading) -> Findings:
    """The largest number of draws, of steps, or of both still lowers accuracy clearly."""
    if reading.grey_box:
        return
    for key in ("eot", "steps"):
        for group in series(reading.own, key):
            yield from _still_falling(reading, key, *group[-2:])
    for group in series(reading.own, "eot", "steps", shortest=SWEEP):
        yield from _still_falling(reading, "joint", *group[-2:])


def _still_falling(reading: Reading, key: str, smaller: Entry, larger: Entry) -> Findings:
    """The last increase lowered accuracy by more than STILL_FALLING or SHARE of the rest."""
    if gap := clearly(smaller, larger, min(STILL_FALLING, SHARE * smaller.accuracy)):
        text = (
            f"{larger} is still {gap.value:.1f} points [{gap.low:.1f}, {gap.high:.1f}] "
            f"below {smaller}: a larger budget may lower accuracy further"
        )
        yield f"{key}-not-converged", text + reading.sample_size


def sweep_does_not_reach_zero(reading: Reading) -> Findings:
    """An attack without bound must succeed (Athalye et al., 2018a): 0% at the largest radius."""
    for *_, last in series(reading.own, "eps", shortest=SWEEP):
        if last.accuracy > REACHED and not reading.grey_box:
            text = f"{last} is not 0% at the largest radius of the sweep, {last.budget['eps']}"
            yield "eps-sweep-does-not-reach-zero", text + reading.sample_size


CHECKS = (not_converged, sweep_does_not_reach_zero)
