"""Summary of costs: a line a cell, a total, and the source of the numbers."""

from collections.abc import Iterator, Sequence
from textwrap import fill

from atop.experiment import availability, weight_files
from atop.experiment.dataset_sizes import size_of
from atop.experiment.stages.plan import KINDS
from atop.experiment.tables import Table
from atop.operations.cost.estimates import Estimate
from atop.operations.cost.rates import Rates

HEADS = (*KINDS, "all", "memory", "disk", "took", "cell")
NAMED = 5
"""Most operations without a rate that are listed."""

NOT_COUNTED = (
    "Not counted: downloads, image grids, rendering, records on disk, and the few images whose "
    "gradients an evaluation checks."
)


def text(
    tables: Sequence[Table], estimates: Sequence[Estimate], rates: Rates, failed: dict[str, str]
) -> str:
    """Costs of tables of each preset on a machine, cell by cell.

    Args:
        tables: under the preset.
        estimates: of all their stages.
        rates: source of the estimates.
        failed: reasons by operation that could not be measured.
    """
    cells: dict[str, list[Estimate]] = {}
    for estimate in estimates:
        cells.setdefault(estimate.stage.owner, []).append(estimate)
    start, inputs = len(estimates) * (rates.start or 0), dict(_inputs(estimates))
    starts = _time(start) if rates.start else "?"
    rows = [
        HEADS,
        *(_line(cell, own) for cell, own in cells.items()),
        *(("", "", "", "", "", _size(size / 1e6), "", name) for name, size in inputs.items()),
        ("", "", "", starts, "", "", "", f"start of {len(estimates)} jobs"),
        _line("total", estimates, seconds=start, disk=sum(inputs.values())),
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEADS) - 1)]
    aligned = ["  ".join(map(str.rjust, row, widths)) + f"  {row[-1]}" for row in rows]
    notes = _notes(tables, estimates, rates, failed)
    wrapped = [fill(note, 100, subsequent_indent="  ") for note in notes]
    return "\n".join([_title(tables, rates), "", *aligned, "", *wrapped])


def _title(tables: Sequence[Table], rates: Rates) -> str:
    names, machine = ", ".join(table.name for table in tables), rates.machine
    threads = f", {machine.threads} thread{'s' * (machine.threads > 1)} a job"
    where = machine.device + ("" if machine.cuda else threads)
    return f"{names} of preset {tables[0].preset} on {where}, each job at a time"


def _inputs(estimates: Sequence[Estimate]) -> Iterator[tuple[str, float]]:
    """Inputs on disk, and their bytes as far as they are known."""
    cells = dict.fromkeys(estimate.stage.cell for estimate in estimates)
    for name in dict.fromkeys(cell.dataset for cell in cells):
        yield f"dataset {name}", size_of(name).disk
    last = [each.stage for each in estimates if each.stage.kind == "evaluation"]
    files = {path for stage in last for path in availability.weights(stage.cell, stage.preset)}
    rows = [weight_files.row_of(path) for path in files]
    known = [size for row in rows if (size := row.bytes or row.estimate)]
    if files:
        unknown = len(files) - len(known)
        label = f", without {unknown} of unknown size" if unknown else ""
        yield f"public weights{label}", sum(known)


def _line(
    cell: str, estimates: Sequence[Estimate], *, seconds: float = 0, disk: float = 0
) -> tuple[str, ...]:
    """A line of a cell; or of all cells, with what belongs to none."""
    times = [_seconds([each for each in estimates if each.stage.kind == kind]) for kind in KINDS]
    took = [each for each in estimates if each.took is not None]
    since = ">= " if any(each.resumed for each in took) else ""
    return (
        *times,
        _seconds(estimates, seconds),
        _peak(estimates),
        _stored(estimates, disk),
        since + _time(sum(each.took or 0 for each in took)) if took else "",
        cell,
    )


def _seconds(estimates: Sequence[Estimate], more: float = 0) -> str:
    """Time of some stages; with "<=" if they may stop early, and "?" if a part is unknown."""
    if not estimates:
        return ""
    known = sum(each.seconds for each in estimates) + more
    bound = "<= " if any(each.at_most for each in estimates) else ""
    if not any(each.unknown for each in estimates):
        return bound + _time(known)
    return f"{bound}{_time(known)} + ?" if known else "?"


def _peak(estimates: Sequence[Estimate]) -> str:
    """The largest known peak of some stages."""
    known = [each.memory for each in estimates if each.memory is not None]
    if not known:
        return "?"
    least = any(each.smaller or each.unknown for each in estimates)
    return (">= " if least else "") + _size(max(known))


def _stored(estimates: Sequence[Estimate], more: float = 0) -> str:
    """Bytes on disk of some stages; the size of weights is known from their training only."""
    size = (sum(each.disk for each in estimates) + more) / 1e6
    unknown = any(each.unknown and each.stage.kind == "training" for each in estimates)
    return " + ".join([*([_size(size)] if size else []), *(["?"] if unknown else [])])


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:,.1f} h"


def _size(mega: float) -> str:
    if 0 < mega < 10:
        return f"{mega:.1f} MB"
    return f"{mega:,.0f} MB" if mega < 10_000 else f"{mega / 1000:,.0f} GB"


def _notes(
    tables: Sequence[Table], estimates: Sequence[Estimate], rates: Rates, failed: dict[str, str]
) -> Iterator[str]:
    """The source of the numbers, their accuracy so far, and what they leave out."""
    yield f"Rates: {rates.source}." if rates.rows else f"Rates: none in {rates.machine.file}."
    unknown = dict.fromkeys(name for each in estimates for name in each.unknown)
    if unknown:
        yield f"?: not measured on {rates.machine.device}, {len(unknown)} in all:"
        for name in list(unknown)[:NAMED]:
            yield f"  {name}" + (f" ({failed[name]})" if name in failed else "")
    if any(each.at_most for each in estimates):
        yield "<=: at most. An attack leaves broken images alone, and may stop early."
    if any(each.smaller for each in estimates):
        yield ">=: memory with smaller batches than a job's."
    if comparison := _comparison(estimates):
        yield comparison
    runs = [
        bool(table.record(row, column)) and not table.missing(row, column)
        for table in tables
        for row, column in table.numbers()
    ]
    if not all(runs):
        yield f"{runs.count(False)} of {len(runs)} numbers are not run here: nothing is counted."
    yield NOT_COUNTED


def _comparison(estimates: Sequence[Estimate]) -> str:
    """The true cost of stages that are done, beside their estimate."""
    done = [each for each in estimates if each.took is not None]
    if not done:
        return ""
    same = [each for each in done if each.comparable]
    text = f"took: {len(done)} of {len(estimates)} jobs are done, timed after their start"
    if same:
        took, thought = sum(each.took or 0 for each in same), sum(each.seconds for each in same)
        text += f"; {len(same)} took {_time(took)}, estimated were {_time(thought)}"
        text += f" (took / estimated {took / thought:.2f})" if thought else ""
    if out := len(done) - len(same):
        text += f"; {out} not compared (bounds, resumed, unknown, or of another device)"
    return f"{text}."
