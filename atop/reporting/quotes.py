"""Numbers of released tables for texts: a text can only quote what a record holds."""

from functools import cache
from math import isnan
from pathlib import Path
from statistics import mean, stdev

import pandas as pd

from atop.core import stats
from atop.core.errors import AtopError
from atop.core.files import ROOT, writing
from atop.core.values import Dict
from atop.experiment import presets, tables
from atop.experiment.paper import numbers
from atop.experiment.paths import BENCHMARKS
from atop.reporting import benchmarks
from atop.reporting.aggregate import Aggregate, aggregate
from atop.reporting.notes import estimate, interval, plain, signed
from atop.reporting.render import environment
from atop.results import pairs, released
from atop.results.records import correct

FINDINGS = ROOT / "workflow" / "report" / "FINDINGS.md.j2"


def fill(template: Path, out: Path) -> None:
    """Write a text from a template that quotes released records by the functions below.

    Raises:
        AtopError: the template quotes a number that was not measured or that no table has.
    """
    page = environment(template.parent, keep_trailing_newline=True).get_template(template.name)
    functions = (
        number, gap, beyond, between, seeds, regime, paper, paper_gap, paper_beyond, n, benchmark,
    )  # fmt: skip
    page.globals.update({function.__name__: function for function in functions})
    with writing(out) as temporary:
        temporary.write_text(page.render())


def number(table: str, preset: str, row: str, column: str) -> str:
    """Return an accuracy with its interval, such as "48.8% [42.8, 54.9]"."""
    line = _line(table, preset, row, column)
    return f"{plain(line['measured'])}% {interval(line['low'], line['high'])}"


def gap(table: str, preset: str, first: str, second: str, column: str) -> str:
    """Return a row minus another on the same images, in points: "+18.4 [12.2, 24.3]".

    Where metrics of the draws disagree: "+3.8 [2.0, 5.8] (majority 0.0 [...], all 0.0 [...])".
    """
    line = _pair(table, preset, first, second, column)
    text = f"{signed(line['difference'])} {interval(line['low'], line['high'])}"
    if not pairs.disagree(line):
        return text
    others = (" ".join([metric, *estimate(line, metric)]) for metric in pairs.OTHERS)
    return f"{text} ({', '.join(others)})"


def beyond(table: str, preset: str, first: str, second: str, column: str) -> str:
    """Return a row's gain over another under attack minus the gain on clean images, in points."""
    line = _pair(table, preset, first, second, column)
    if isnan(line["beyond"]):
        raise AtopError(f"{released.file(table)}: no attack and clean images of {column}, {preset}")
    return " ".join(estimate(line, "beyond"))


def between(table: str, preset: str, row: str, first: str, second: str) -> str:
    """Return a column minus another column of the same record, in points."""
    section = _section(table, preset)
    records = [section.record(row, column) for column in (first, second)]
    if records[0] is None or records[0] is not records[1]:
        raise AtopError(f"{released.file(table)}: no record of {row} with {first} and {second}")
    columns = [section.table.column(column) for column in (first, second)]
    difference = stats.paired(*(correct(records[0], column) for column in columns))
    return f"{signed(difference.value)} {interval(difference.low, difference.high)}"


def seeds(table: str, preset: str, pairs: list[tuple[str, str]], column: str) -> str:
    """Return mean, standard deviation and values of the differences of pairs, one per seed."""
    differences = [_pair(table, preset, *pair, column)["difference"] for pair in pairs]
    values = ", ".join(map(signed, differences))
    spread = f"{signed(mean(differences))}, sd {plain(stdev(differences))}"
    return f"{spread}, over {len(differences)} seeds ({values})"


def regime(table: str, preset: str) -> dict[str, str]:
    """Return why no claim about AToP is drawn, by group such as "RT1", if there are reasons."""
    groups = _section(table, preset).groups
    return {group.label: "; ".join(group.reasons) for group in groups if group.reasons}


def paper(table: str, row: str, column: str) -> str:
    """Return a number as the paper prints it."""
    printed = numbers(table).get((row, column))
    if not printed:
        raise AtopError(f"tables/paper/{table}.csv: no row '{row}' with a column '{column}'")
    return printed["value"]


def paper_gap(table: str, first: str, second: str, column: str) -> str:
    """Return a printed number minus another, in points."""
    return signed(float(paper(table, first, column)) - float(paper(table, second, column)))


def paper_beyond(table: str, first: str, second: str, column: str) -> str:
    """Return `beyond` of four printed numbers."""
    shown = tables.table(table, presets.get("paper"), extras=True)
    difference = pairs.paper_beyond(shown, first, second, shown.column(column))
    if difference is None:
        raise AtopError(f"tables/paper/{table}.csv: no four numbers of {first}, {second}, {column}")
    return signed(difference)


def n(table: str, preset: str, row: str, column: str) -> int:
    """Return the number of images behind an accuracy."""
    return int(_line(table, preset, row, column)["n"])


def benchmark(device: str, what: str, key: str) -> float:
    """Return a measured speed: a row of results/benchmarks/ on the device of that name."""
    for run in benchmarks.read():
        for row in run["rows"]:
            if (run["name"], row["what"]) == (device, what) and key in row:
                return float(row[key])
    raise AtopError(f"{BENCHMARKS}: no {key} of '{what}' on {device}")


@cache
def read(table: str) -> dict[str, Aggregate]:
    """Return a released table by preset; of several sections the one with fewest overrides."""
    file = released.file(table)
    content = released.read(file) if file.exists() else {}
    sections: dict[str, Aggregate] = {}
    for shown in sorted(released.sections(table, content), key=lambda shown: len(shown.overrides)):
        if shown.preset.name not in sections:
            sections[shown.preset.name] = aggregate(table=shown, results=content)
    return sections


def _section(table: str, preset: str) -> Aggregate:
    sections = read(table)
    if preset not in sections:
        raise AtopError(f"{released.file(table)}: no records of preset {preset}")
    return sections[preset]


def _line(table: str, preset: str, row: str, column: str) -> Dict:
    frame = _section(table, preset).frame.dropna(subset=["measured"])
    error = f"{released.file(table)}: no number of {row}, {column} under {preset}"
    return _select(frame, error, row=row, column=column)


def _pair(table: str, preset: str, first: str, second: str, column: str) -> Dict:
    error = f"{released.file(table)}: no {first} minus {second}, {column}, {preset}"
    keys = {"first": first, "second": second, "column": column, "reason": ""}
    return _select(_section(table, preset).pairs, error, **keys)


def _select(frame: pd.DataFrame, error: str, **keys: str) -> Dict:
    for name, key in keys.items():
        frame = frame[frame[name] == key]
    if frame.empty:
        raise AtopError(error)
    return {str(name): value for name, value in frame.iloc[0].items()}
