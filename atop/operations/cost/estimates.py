"""Estimates: what each step takes on a device, and what it took where it is done."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.core.values import Dict
from atop.experiment.steps import Step
from atop.operations.cost.passes import Pass
from atop.operations.cost.rates import Rates
from atop.operations.cost.work import Work, work_of


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a step takes, without the start of its job.

    Attributes:
        seconds: of its passes, as far as their rates are known.
        unknown: passes whose rate is not, or why nothing is known.
        at_most: whether it may take less.
        memory: peak in MiB of what is known, if anything is.
        few: whether that is of fewer pictures at a time than a job takes.
        disk: bytes, as far as they are known.
        took: seconds that it took; None if it is not done.
        resumed: whether that is the time since a job was killed, without the time before.
        elsewhere: whether that was on another device, or with another number of threads.
    """

    step: Step
    seconds: float
    unknown: tuple[str, ...]
    at_most: bool
    memory: float | None
    few: bool
    disk: float
    took: float | None
    resumed: bool
    elsewhere: bool

    @property
    def comparable(self) -> bool:
        """Whether what it took tells how good the estimate is."""
        whole = not (self.unknown or self.at_most or self.resumed)
        return whole and self.took is not None and not self.elsewhere


def passes(steps: Iterable[Step]) -> Iterator[Pass]:
    """All passes of some steps, as far as their work is known."""
    for step in steps:
        try:
            yield from work_of(step).pictures
        except AtopError:
            continue


def estimate(step: Step, rates: Rates) -> Estimate:
    """What a step takes by the rates that are known, and what it took."""
    unknown: tuple[str, ...] = ()
    try:
        work = work_of(step)
    except AtopError as error:
        work, unknown = Work(), (str(error),)
    found = {one: rates.of(one) for one in work.pictures}
    known = {one: rate for one, rate in found.items() if rate}
    peaks = [rate.peak_mb for rate in known.values()]
    return Estimate(
        step=step,
        seconds=sum(rate.ms / 1000 * work.pictures[one] for one, rate in known.items()),
        unknown=unknown + tuple(one.words for one in found if one not in known),
        at_most=work.at_most,
        memory=max(peaks) + work.held / 2**20 if peaks else None,
        few=any(rate.few for rate in known.values()),
        disk=work.disk + sum(rate.weights_mb for rate in known.values()) * 2**20,
        **_took(step, rates),
    )


def _took(step: Step, rates: Rates) -> Dict:
    """What the account of a step says, if there is one."""
    account = read_json(step.account) if step.account.exists() else {}
    made = account.get("provenance", {})
    return {
        "took": made.get("wall_s"),
        "resumed": account.get("resumed", False),
        "elsewhere": not rates.machine.made(made),
    }
