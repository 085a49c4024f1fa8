"""What stands under a table, as plain text: how it was measured, on what, by which code."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import pandas as pd

from atop.core import stats
from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import VICTIMS, Cell
from atop.experiment.tables import Table
from atop.reporting import attack_budgets
from atop.reporting.aggregate import Aggregate, row_name
from atop.results.records import data

TARGETS = VICTIMS | {
    "classifier": "the bare classifier (grey box); the pictures made on it go to every row",
    "defense": "the whole defence: transform, purifier and classifier",
}
LEGEND = (
    ("consistent", f"the 95% interval of the difference lies within {stats.MARGIN:g} points"),
    ("higher, lower", f"it lies beyond {stats.MARGIN:g} points"),
    (
        "inconclusive",
        "it does not decide; with 512 examples on both sides it cannot do better for numbers "
        "between about 21% and 79%",
    ),
)


def plain(value: float) -> str:
    """A number with one decimal, a true minus sign and no minus zero."""
    return f"{round(value, 1) + 0.0:.1f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    """A difference with its sign."""
    return ("+" if round(value, 1) > 0 else "") + plain(value)


def interval(low: float, high: float) -> str:
    """A 95% interval in brackets."""
    return f"[{plain(low)}, {plain(high)}]"


def estimate(line: Any, name: str) -> tuple[str, str]:
    """A difference with its sign, and its interval, from NAME, NAME_low and NAME_high of a line."""
    return signed(line[name]), interval(line[f"{name}_low"], line[f"{name}_high"])


def p_value(p: float | None) -> str:
    """A p value; empty where there is none."""
    if p is None or pd.isna(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def preset(table: Table) -> str:
    """A table's preset and the user's words, such as "smoke, recipe official"."""
    return ", ".join([table.preset, *(f"{name} {word}" for name, word in table.words.items())])


def notes(whole: Aggregate) -> list[tuple[str, str]]:
    """Headed sentences on how the table was measured."""
    chosen = config.preset(whole.table.preset)
    about = " ".join(chosen.about.split())
    if not chosen.comparable:
        about += "; these numbers are not comparable with the paper's"
    found = [
        (f"Preset {whole.table.preset}", about),
        ("Examples", _examples(whole)),
        ("Attacks differentiate", "; or ".join(TARGETS[one] for one in _targets(whole))),
        ("Networks and data", _networks(whole)),
        ("Data", _data(whole.records.values())),
        ("Training", _training(whole)),
        ("Sizes", _sizes(whole.records.values())),
        ("Verdicts", _verdicts(whole)),
    ]
    return [(heading, text) for heading, text in found if text]


def _targets(whole: Aggregate) -> list[str]:
    return list(dict.fromkeys(column.target for column in whole.table.columns))


def _examples(whole: Aggregate) -> str:
    frame = whole.frame.dropna(subset=["measured"])
    if frame.empty:
        return "nothing was run"
    several = (frame["draws"] > 1).any()
    clustered = "; where draws differ, with an effective n: Franco et al., 2019"
    how = "Wilson" + (clustered if several else "")
    return (
        f"{_count(frame['n'], 'test picture')}, {_count(frame['draws'], 'random draw')} of the "
        f"defence for each, {_count(frame['seeds'], 'training seed')} per row; intervals are 95% "
        f"({how}) and cover the choice of test pictures only"
    )


def _count(values: pd.Series, noun: str) -> str:
    low, high = values.min(), values.max()
    text = f"{low}" if low == high else f"{low} to {high}"
    return f"{text} {noun}" + ("s" if high != 1 else "")


def _networks(whole: Aggregate) -> str:
    """Which networks ran, how large they are, and what they stand in for."""
    sizes: dict[str, set[int]] = {}
    for record in whole.records.values():
        for network in record["networks"].values():
            if network and network["parameters"]:
                sizes.setdefault(network["name"], set()).add(network["parameters"])
    meant: dict[str, dict[str, None]] = {}
    for named, cell in _cells(whole):
        for name, means in ((cell.classifier, named.classifier), (cell.dataset, named.dataset)):
            meant.setdefault(name, {})[means] = None
    parts = []
    for name in dict.fromkeys([*sizes, *meant]):
        size = " or ".join(f"{count:,}" for count in sorted(sizes.get(name, ())))
        others = " and ".join(other for other in meant.get(name, ()) if other != name)
        text = name + (f" ({size} parameters)" if size else "")
        parts.append(text + (f" stands in for {others}" if others else ""))
    return "; ".join(parts)


def _data(records: Iterable[Dict]) -> str:
    """What there is to doubt about the test pictures, by dataset; empty if there is nothing."""
    doubts: dict[str, None] = {}
    for found in map(data, records):
        if found["verified"] is None:
            doubt = "nobody verified that these are the published pictures"
            doubts[f"{found['name']}: {doubt}"] = None
        if found["positions"] == "found":
            doubt = "drawn from pictures in another order than published, so the choice differs"
            doubts[f"{found['name']}: {doubt}"] = None
    return "; ".join(doubts)


def _cells(whole: Aggregate) -> list[tuple[Cell, Cell]]:
    """Cells of numbers that the preset can have: as the file names them, and as they are run."""
    table = whole.table
    found: dict[tuple[Cell, Cell], None] = {}
    for row, column in table.numbers():
        named, cell = table.named(row, column), table.cell(row, column)
        there = table.record(row, column) in whole.records or not table.lacks(row, column)
        if named and cell and there and not table.obstacle(row, column):
            found[named, cell] = None
    return list(found)


def _training(whole: Aggregate) -> str:
    cells = [cell for _, cell in _cells(whole) if not cell.undefended]
    told = {
        "recipe": {cell.recipe for cell in cells},
        "purifier initialised from": _starts(whole, cells),
        "training seed": {str(cell.seed) for cell in cells},
    }
    parts = [f"{what} {' or '.join(sorted(which))}" for what, which in told.items() if which]
    overrides = config.preset(whole.table.preset).recipe.given()
    parts += [f"the preset sets {key} to {value}" for key, value in overrides.items()]
    return ", ".join(parts)


def _starts(whole: Aggregate, cells: list[Cell]) -> set[str]:
    """Inits, with what the preset says of their files, and whose where purifiers differ."""
    found: dict[str, set[str]] = {}
    for cell in (cell for cell in cells if cell.purifies):
        given = config.purifier(cell.purifier, whole.table.preset)["checkpoints"]
        about = given.get(cell.init, {}).get("about")
        start = f"{cell.init} ({about})" if about else cell.init
        found.setdefault(start, set()).add(cell.purifier)
    if len(found) < 2:
        return set(found)
    return {f"{start} for {' and '.join(sorted(whose))}" for start, whose in found.items()}


def _sizes(records: Iterable[Dict]) -> str:
    found = {tuple(record["sizes"].items()) for record in records if "sizes" in record}
    return "; ".join(
        ", ".join(f"{name} {pixels}" for name, pixels in sizes) + " pixels"
        for sizes in sorted(found)
    )


def _verdicts(whole: Aggregate) -> str:
    """The verdicts that occur, explained."""
    frame = whole.frame.dropna(subset=["measured"])
    present = set(frame["verdict"])
    parts = [f"{name}: {text}" for name, text in LEGEND if present & set(name.split(", "))]
    if "not comparable" in present:
        reasons = frame.loc[frame["verdict"] == "not comparable", "reason"].unique()
        parts.append(f"n/c, not comparable: {'; '.join(reasons)}")
    return ". ".join(parts)


def attacks(whole: Aggregate) -> list[tuple[str, str]]:
    """Columns and their budgets in words, then what else worst cases are made of.

    Columns with the same budget stand together; a column run with two shows both.
    """
    labels: dict[str, list[str]] = {}
    for column in whole.table.columns:
        lines = whole.frame[whole.frame["column"] == column.key]
        measured = lines.dropna(subset=["measured"])
        texts = (lines if measured.empty else measured)["budget"].unique()
        labels.setdefault("; or ".join(text for text in texts if text), []).append(column.label)
    found = [(" / ".join(names), text) for text, names in labels.items() if text]
    return found + list(_candidates(whole).items())


def _candidates(whole: Aggregate) -> dict[str, str]:
    """Entries of worst cases that have no column of their own, with their budgets in words."""
    table = whole.table
    found: dict[str, str] = {}
    for column in table.columns:
        if len(column.listed) > 1:
            run = attack_budgets.as_run(table, column, whole.records.values())
            texts = {
                entry: attack_budgets.of_entry(table, entry, one) for entry, one in run.items()
            }
            found |= {
                entry: text
                for entry, text in texts.items()
                if attack_budgets.name(table, entry) == entry
            }
    return found


def findings(whole: Aggregate) -> list[Dict]:
    """Findings by name: a list of texts with the rows that each was found in."""
    ordered = sorted(whole.findings, key=lambda finding: str(finding["name"]))
    return [
        {
            "name": name,
            "items": [
                (finding["text"], "; ".join(_row(whole, key) for key in finding["rows"]))
                for finding in group
            ],
        }
        for name, group in groupby(ordered, key=lambda finding: finding["name"])
    ]


def _row(whole: Aggregate, key: str) -> str:
    return row_name(whole.table, whole.table.row(key))


def provenance(records: Iterable[Dict]) -> str:
    """Code, versions, device and dates of the records, each distinct value once."""
    made = [record["provenance"] for record in records]
    if not made:
        return ""
    versions = dict.fromkeys(
        ", ".join(f"{name} {number}" for name, number in one["versions"].items() if number)
        for one in made
    )
    code = dict.fromkeys(
        one["code_sha"] + (f" (commit {one['commit']})" if one.get("commit") else "")
        for one in made
    )
    days = sorted(one["created"][:10] for one in made)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    devices = dict.fromkeys(
        one["device"] + (f" ({one['processor']})" if one.get("processor") else "") for one in made
    )
    return (
        f"Made {when} on {' and '.join(devices)} by code {' and '.join(code)} with "
        f"{'; '.join(versions)}."
    )
