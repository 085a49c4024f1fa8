"""Numbers of released tables, as a text quotes them: none stands there that no record holds."""

from functools import cache
from math import isnan
from pathlib import Path
from statistics import mean, stdev

from atop.core import stats
from atop.core.errors import AtopError
from atop.core.files import writing
from atop.core.values import Dict
from atop.experiment import tables
from atop.experiment.paper import numbers
from atop.experiment.paths import BENCHMARKS
from atop.reporting import benchmarks
from atop.reporting.aggregate import Aggregate, aggregate
from atop.reporting.notes import estimate, interval, plain, signed
from atop.reporting.render import environment
from atop.results import pairs, released
from atop.results.records import correct


def fill(template: Path, out: Path) -> None:
    """Write a text whose template quotes released records, through the functions below.

    Raises:
        AtopError: it quotes what was not measured, or what no table has.
    """
    page = environment(template.parent, keep_trailing_newline=True).get_template(template.name)
    functions = (
        number, gap, beyond, between, seeds, regime, paper, paper_gap, paper_beyond, n, benchmark,
    )  # fmt: skip
    page.globals.update({function.__name__: function for function in functions})
    with writing(out) as temporary:
        temporary.write_text(page.render())


def number(table: str, preset: str, row: str, column: str) -> str:
    """An accuracy with its interval, such as "48.8% [42.8, 54.9]"."""
    line = _line(table, preset, row, column)
    return f"{plain(line['measured'])}% {interval(line['low'], line['high'])}"


def gap(table: str, preset: str, first: str, second: str, column: str) -> str:
    """By how many points a row lies above another on the same images: "+18.4 [12.2, 24.3]".

    Where metrics of the draws disagree: "+3.8 [2.0, 5.8] (majority 0.0 [...], all 0.0 [...])".
    """
    line = _pair(table, preset, first, second, column)
    text = f"{signed(line['difference'])} {interval(line['low'], line['high'])}"
    if not pairs.disagree(line):
        return text
    others = (" ".join([metric, *estimate(line, metric)]) for metric in pairs.OTHERS)
    return f"{text} ({', '.join(others)})"


def beyond(table: str, preset: str, first: str, second: str, column: str) -> str:
    """By how many points more a row gains over another under attack than on clean images."""
    line = _pair(table, preset, first, second, column)
    if isnan(line["beyond"]):
        raise AtopError(f"{released.file(table)}: no attack and clean images of {column}, {preset}")
    return " ".join(estimate(line, "beyond"))


def between(table: str, preset: str, row: str, first: str, second: str) -> str:
    """By how many points a row stands higher in one column than in another of its record."""
    whole = _whole(table, preset)
    records = [whole.record(row, column) for column in (first, second)]
    if records[0] is None or records[0] is not records[1]:
        raise AtopError(f"{released.file(table)}: no record of {row} with {first} and {second}")
    columns = [whole.table.column(column) for column in (first, second)]
    found = stats.paired(*(correct(records[0], column) for column in columns))
    return f"{signed(found.value)} {interval(found.low, found.high)}"


def seeds(table: str, preset: str, pairs: list[tuple[str, str]], column: str) -> str:
    """Differences of some pairs, one a training seed: mean, deviation and each of them."""
    found = [_pair(table, preset, *pair, column)["difference"] for pair in pairs]
    each = ", ".join(map(signed, found))
    return f"{signed(mean(found))}, sd {plain(stdev(found))}, over {len(found)} seeds ({each})"


def regime(table: str, preset: str) -> dict[str, str]:
    """Why no claim about AToP is drawn, by group, such as "RT1"; those that are in regime lack."""
    found = _whole(table, preset).groups
    return {group.label: "; ".join(group.reasons) for group in found if group.reasons}


def paper(table: str, row: str, column: str) -> str:
    """A number as the paper prints it."""
    found = numbers(table).get((row, column))
    if not found:
        raise AtopError(f"tables/paper/{table}.csv: no row '{row}' with a column '{column}'")
    return found["value"]


def paper_gap(table: str, first: str, second: str, column: str) -> str:
    """By how many points one printed number lies above another."""
    return signed(float(paper(table, first, column)) - float(paper(table, second, column)))


def paper_beyond(table: str, first: str, second: str, column: str) -> str:
    """The same difference of differences of four printed numbers."""
    made = tables.table(table, "paper", extras=True)
    found = pairs.paper_beyond(made, first, second, made.column(column))
    if found is None:
        raise AtopError(f"tables/paper/{table}.csv: no four numbers of {first}, {second}, {column}")
    return signed(found)


def n(table: str, preset: str, row: str, column: str) -> int:
    """Of how many pictures an accuracy is."""
    return int(_line(table, preset, row, column)["n"])


def benchmark(device: str, what: str, key: str) -> float:
    """A measured speed: a row of results/benchmarks/, on the device that its file names."""
    for run in benchmarks.read():
        for row in run["rows"]:
            if (run["name"], row["what"]) == (device, what) and key in row:
                return float(row[key])
    raise AtopError(f"{BENCHMARKS}: no {key} of '{what}' on {device}")


@cache
def read(table: str) -> dict[str, Aggregate]:
    """A released table by preset; of several sections the one with the fewest words."""
    file = released.file(table)
    content = released.read(file) if file.exists() else {}
    found: dict[str, Aggregate] = {}
    for one in sorted(released.sections(table, content), key=lambda one: len(one.words)):
        if one.preset not in found:
            found[one.preset] = aggregate(table=one, results=content)
    return found


def _line(table: str, preset: str, row: str, column: str) -> Dict:
    whole = _whole(table, preset)
    frame = whole.frame
    found = frame[(frame["row"] == row) & (frame["column"] == column)].dropna(subset=["measured"])
    if found.empty:
        raise AtopError(f"{released.file(table)}: no number of {row}, {column} under {preset}")
    return {str(key): value for key, value in found.iloc[0].items()}


def _pair(table: str, preset: str, first: str, second: str, column: str) -> Dict:
    pairs = _whole(table, preset).pairs
    same = (pairs["first"] == first) & (pairs["second"] == second) & (pairs["column"] == column)
    found = pairs[same & (pairs["reason"] == "")]
    if found.empty:
        raise AtopError(f"{released.file(table)}: no {first} minus {second}, {column}, {preset}")
    return {str(key): value for key, value in found.iloc[0].items()}


def _whole(table: str, preset: str) -> Aggregate:
    wholes = read(table)
    if preset not in wholes:
        raise AtopError(f"{released.file(table)}: no records of preset {preset}")
    return wholes[preset]
