"""Estimates: the cost of each stage on a device, and its true cost where it is done."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.core.values import Dict
from atop.experiment.stages.stage import Stage
from atop.experiment.workload import Operation, StageWorkload
from atop.operations.cost.rates import Rates


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The cost of a stage, without the start of its job.

    Attributes:
        seconds: of its operations, as far as their rates are known.
        unknown: operations without a rate, or the reason why there is no workload.
        at_most: whether it may cost less.
        memory: known peak in MiB, if any.
        smaller: whether that is a peak with smaller batches than a job's.
        disk: bytes, as far as they are known.
        took: its true seconds; None if it is not done.
        resumed: whether those count the time since a job was resumed only.
        elsewhere: whether they were on another device, or with another number of threads.
    """

    stage: Stage
    seconds: float
    unknown: tuple[str, ...]
    at_most: bool
    memory: float | None
    smaller: bool
    disk: float
    took: float | None
    resumed: bool
    elsewhere: bool

    @property
    def comparable(self) -> bool:
        """Whether its true cost can be compared with the estimate."""
        complete = not (self.unknown or self.at_most or self.resumed)
        return complete and self.took is not None and not self.elsewhere


def operations(stages: Iterable[Stage]) -> Iterator[Operation]:
    """All operations of some stages, as far as their workload is known."""
    for stage in stages:
        try:
            yield from stage.workload().images
        except AtopError:
            continue


def estimate(stage: Stage, rates: Rates) -> Estimate:
    """The cost of a stage by the known rates, and its true cost."""
    unknown: tuple[str, ...] = ()
    try:
        work = stage.workload()
    except AtopError as error:
        work, unknown = StageWorkload(), (str(error),)
    by_operation = {operation: rates.of(operation) for operation in work.images}
    known = {operation: rate for operation, rate in by_operation.items() if rate}
    peaks = [rate.peak_mb for rate in known.values()]
    return Estimate(
        stage=stage,
        seconds=sum(rate.ms / 1000 * work.images[each] for each, rate in known.items()),
        unknown=unknown + tuple(str(each) for each in by_operation if each not in known),
        at_most=work.at_most,
        memory=max(peaks) + work.memory / 2**20 if peaks else None,
        smaller=any(rate.small_batch for rate in known.values()),
        disk=work.disk + sum(rate.weights_mb for rate in known.values()) * 2**20,
        **_true_cost(stage, rates),
    )


def _true_cost(stage: Stage, rates: Rates) -> Dict:
    """The cost in the metadata of a stage that is done."""
    metadata = read_json(stage.metadata) if stage.metadata.exists() else {}
    provenance = metadata.get("provenance", {})
    return {
        "took": provenance.get("wall_s"),
        "resumed": metadata.get("resumed", False),
        "elsewhere": not rates.machine.ran(provenance),
    }
