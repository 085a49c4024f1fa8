"""Whether an attack was given enough: draws, steps, and a ball in which nothing can stand."""

from atop import stats
from atop.checks.reading import Found, Reading, clearly, series

STILL_FALLING = stats.MARGIN / 2
"""Points that the last enlargement of a budget may take. If each takes half of what the one before
took, what is to come is as much again; both together then keep within what counts as the same."""

SWEEP = 3
"""Radii of a sweep: two may as well be two threats."""

REACHED = 1.0
"""Percent that counts as none: a draw may be lucky now and then."""


def not_converged(reading: Reading) -> Found:
    """The largest of several numbers of draws or of steps still lowers accuracy clearly."""
    for key in ("eot", "steps"):
        for group in () if reading.grey_box else series(reading.own, key):
            smaller, larger = group[-2:]
            if gap := clearly(smaller, larger, STILL_FALLING):
                text = (
                    f"{larger} still takes {gap.value:.1f} points [{gap.low:.1f}, {gap.high:.1f}] "
                    f"off {smaller}: more may take more"
                )
                yield f"{key}-not-converged", text + reading.few


def sweep_does_not_reach_zero(reading: Reading) -> Found:
    """An attack without bound must succeed (Athalye et al., 2018a): 0% at the largest radius."""
    for group in () if reading.grey_box else series(reading.own, "eps"):
        last = group[-1]
        if len(group) >= SWEEP and last.accuracy > REACHED:
            text = f"{last} ends the sweep at eps {last.budget['eps']} and not at 0%"
            yield "eps-sweep-does-not-reach-zero", text + reading.few


CHECKS = (not_converged, sweep_does_not_reach_zero)
