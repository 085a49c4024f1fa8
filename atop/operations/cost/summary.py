"""What is told of costs: a line a cell, a total, and what the numbers rest on."""

from collections.abc import Iterator, Sequence
from textwrap import fill

from atop.experiment import availability, weight_files
from atop.experiment.steps import KINDS
from atop.experiment.tables import Table
from atop.operations.cost.dataset_sizes import size_of
from atop.operations.cost.estimates import Estimate
from atop.operations.cost.rates import Rates

HEADS = (*KINDS, "all", "memory", "disk", "took", "cell")
NAMED = 5
"""Passes without a rate that are named."""

NOT_COUNTED = (
    "Not counted: downloads, picture grids, rendering, records on disk, and the few pictures whose "
    "gradients an evaluation checks."
)


def text(
    tables: Sequence[Table], estimates: Sequence[Estimate], rates: Rates, failed: dict[str, str]
) -> str:
    """Costs of tables of one preset on a machine, cell by cell.

    Args:
        tables: under the preset.
        estimates: of all their steps.
        rates: what the estimates rest on.
        failed: why a pass could not be measured, by its words.
    """
    cells: dict[str, list[Estimate]] = {}
    for one in estimates:
        cells.setdefault(one.step.made_for, []).append(one)
    start, beside = len(estimates) * (rates.start or 0), dict(_beside(estimates))
    starts = _time(start) if rates.start else "?"
    rows = [
        HEADS,
        *(_line(cell, those) for cell, those in cells.items()),
        *(("", "", "", "", "", _size(size / 1e6), "", what) for what, size in beside.items()),
        ("", "", "", starts, "", "", "", f"start of {len(estimates)} jobs"),
        _line("total", estimates, seconds=start, disk=sum(beside.values())),
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
    return f"{names} of preset {tables[0].preset} on {where}, one job at a time"


def _beside(estimates: Sequence[Estimate]) -> Iterator[tuple[str, float]]:
    """What lies on disk beside what is made, and its bytes as far as they are known."""
    cells = dict.fromkeys(one.step.cell for one in estimates)
    for name in dict.fromkeys(cell.dataset for cell in cells):
        yield f"dataset {name}", size_of(name).disk
    whole = [one.step for one in estimates if one.step.kind == "evaluation"]
    files = {path for step in whole for path in availability.weights(step.cell, step.preset)}
    rows = [weight_files.row_of(path) for path in files]
    known = [size for row in rows if (size := row.get("bytes") or row.get("estimate"))]
    if files:
        unknown = len(files) - len(known)
        told = f", without {unknown} of unknown size" if unknown else ""
        yield f"public weights{told}", sum(known)


def _line(
    cell: str, estimates: Sequence[Estimate], *, seconds: float = 0, disk: float = 0
) -> tuple[str, ...]:
    """A line of a cell or, with what does not belong to any, of all."""
    times = [_spent([one for one in estimates if one.step.kind == kind]) for kind in KINDS]
    took = [one for one in estimates if one.took is not None]
    since = ">= " if any(one.resumed for one in took) else ""
    return (
        *times,
        _spent(estimates, seconds),
        _peak(estimates),
        _stored(estimates, disk),
        since + _time(sum(one.took or 0 for one in took)) if took else "",
        cell,
    )


def _spent(estimates: Sequence[Estimate], more: float = 0) -> str:
    """Time of some steps; with a bound where they may stop early, and a "?" for what is unknown."""
    if not estimates:
        return ""
    known = sum(one.seconds for one in estimates) + more
    bound = "<= " if any(one.at_most for one in estimates) else ""
    if not any(one.unknown for one in estimates):
        return bound + _time(known)
    return f"{bound}{_time(known)} + ?" if known else "?"


def _peak(estimates: Sequence[Estimate]) -> str:
    """The largest peak of some steps that is known."""
    known = [one.memory for one in estimates if one.memory is not None]
    if not known:
        return "?"
    least = any(one.few or one.unknown for one in estimates)
    return (">= " if least else "") + _size(max(known))


def _stored(estimates: Sequence[Estimate], more: float = 0) -> str:
    """What some steps leave on disk; the size of weights is known from their training alone."""
    size = (sum(one.disk for one in estimates) + more) / 1e6
    unknown = any(one.unknown and one.step.kind == "training" for one in estimates)
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
    """What the numbers rest on, how good they proved, and what they leave out."""
    yield f"Rates: {rates.told}." if rates.rows else f"Rates: none in {rates.machine.file}."
    unknown = dict.fromkeys(words for one in estimates for words in one.unknown)
    if unknown:
        yield f"?: not measured on {rates.machine.device}, {len(unknown)} in all:"
        for words in list(unknown)[:NAMED]:
            yield f"  {words}" + (f" ({failed[words]})" if words in failed else "")
    if any(one.at_most for one in estimates):
        yield "<=: at most. An attack leaves alone what is broken already, and may stop early."
    if any(one.few for one in estimates):
        yield ">=: memory with fewer pictures at a time than a job takes."
    if told := _compared(estimates):
        yield told
    runs = [
        bool(table.record(row, column)) and not table.lacks(row, column)
        for table in tables
        for row, column in table.numbers()
    ]
    if not all(runs):
        yield f"{runs.count(False)} of {len(runs)} numbers are not run here: nothing is counted."
    yield NOT_COUNTED


def _compared(estimates: Sequence[Estimate]) -> str:
    """How what is done compares with its estimate."""
    done = [one for one in estimates if one.took is not None]
    if not done:
        return ""
    same = [one for one in done if one.comparable]
    told = f"took: {len(done)} of {len(estimates)} jobs are done, timed after their start"
    if same:
        took, thought = sum(one.took or 0 for one in same), sum(one.seconds for one in same)
        told += f"; {len(same)} took {_time(took)}, estimated were {_time(thought)}"
        told += f" (took / estimated {took / thought:.2f})" if thought else ""
    if out := len(done) - len(same):
        told += f"; {out} not compared (bounds, resumed, unknown, or of another device)"
    return f"{told}."
