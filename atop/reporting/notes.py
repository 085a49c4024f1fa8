"""Notes under a table, as plain text: the protocol, networks, data, code and findings."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import pandas as pd

from atop.core import stats
from atop.core.values import Dict
from atop.experiment import cells
from atop.experiment.cells import Cell
from atop.experiment.paper import SOURCES, title
from atop.experiment.presets import Preset
from atop.experiment.tables import Table
from atop.reporting import attack_budgets
from atop.reporting.aggregate import Aggregate, row_name
from atop.results.records import data

TARGETS = cells.TARGETS | {
    "classifier": "the bare classifier (grey box); every row uses the images made on it",
    "defense": "the whole defence: transform, purifier and classifier",
}
LEGEND = (
    ("consistent", f"the 95% interval of the difference lies within {stats.MARGIN:g} points"),
    ("higher, lower", f"the interval lies beyond {stats.MARGIN:g} points"),
    (
        "inconclusive",
        "the interval lies partly within and partly beyond; with 512 examples on both sides, "
        "numbers between about 21% and 79% are never consistent",
    ),
)


def plain(value: float) -> str:
    """Format a number with one decimal, a true minus sign and no minus zero."""
    return f"{round(value, 1) + 0.0:.1f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    """Format a difference with its sign."""
    return ("+" if round(value, 1) > 0 else "") + plain(value)


def interval(low: float, high: float) -> str:
    """Format a 95% interval."""
    return f"[{plain(low)}, {plain(high)}]"


def estimate(line: Any, name: str) -> tuple[str, str]:
    """Format a difference and its interval from the keys NAME, NAME_low and NAME_high."""
    return signed(line[name]), interval(line[f"{name}_low"], line[f"{name}_high"])


def p_value(p: float | None) -> str:
    """Format a p value; empty if there is none."""
    if p is None or pd.isna(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def preset(table: Table) -> str:
    """Return a table's preset and the user's overrides, such as "smoke, recipe official"."""
    overrides = (f"{name} {value}" for name, value in table.overrides.items())
    return ", ".join([table.preset.name, *overrides])


def notes(aggregate: Aggregate) -> list[tuple[str, str]]:
    """Return the notes on how a table was measured: a heading and a text each."""
    chosen = aggregate.table.preset.settings
    about = " ".join(chosen.about.split())
    if not chosen.comparable:
        about += "; these numbers are not comparable with the paper's"
    targets = dict.fromkeys(column.target for column in aggregate.table.columns)
    records = aggregate.records.values()
    texts = {
        f"Preset {aggregate.table.preset}": about,
        "Examples": _examples(aggregate.frame.dropna(subset=["measured"])),
        "Target of the attacks": "; or ".join(TARGETS[target] for target in targets),
        "Networks and data": _networks(aggregate),
        "Data": _data(records),
        "Training": _training(aggregate),
        "Sizes": _sizes(records),
        **{title(name): text for name, text in SOURCES.items() if name in aggregate.table.quoted()},
        "Verdicts": _verdicts(aggregate.frame.dropna(subset=["measured"])),
    }
    return [(heading, text) for heading, text in texts.items() if text]


def _examples(measured: pd.DataFrame) -> str:
    if measured.empty:
        return "nothing was run"
    several = (measured["draws"] > 1).any()
    clustered = "; where draws differ, with an effective n: Franco et al., 2019"
    return (
        f"{_count(measured['n'], 'test image')}, {_count(measured['draws'], 'random draw')} of the "
        f"defence for each, {_count(measured['seeds'], 'training seed')} per row; intervals are "
        f"95% (Wilson{clustered if several else ''}) and cover the choice of test images only"
    )


def _count(values: pd.Series, noun: str) -> str:
    low, high = values.min(), values.max()
    text = f"{low}" if low == high else f"{low} to {high}"
    return f"{text} {noun}" + ("s" if high != 1 else "")


def _networks(aggregate: Aggregate) -> str:
    """List the networks and datasets, their parameters, and the names that they replace."""
    sizes: dict[str, set[int]] = {}
    for record in aggregate.records.values():
        for network in record["networks"].values():
            if network and network["parameters"]:
                sizes.setdefault(network["name"], set()).add(network["parameters"])
    replaced: dict[str, dict[str, None]] = {}
    for named, cell in _cells(aggregate):
        for key in ("classifier", "trained_with", "dataset"):
            replaced.setdefault(getattr(cell, key), {})[getattr(named, key)] = None
    replaced.pop("", None)
    parts = []
    for name in dict.fromkeys([*sizes, *replaced]):
        size = " or ".join(f"{count:,}" for count in sorted(sizes.get(name, ())))
        others = " and ".join(other for other in replaced.get(name, ()) if other != name)
        text = name + (f" ({size} parameters)" if size else "")
        parts.append(text + (f" in place of {others}" if others else ""))
    return "; ".join(parts)


def _data(records: Iterable[Dict]) -> str:
    """Return the doubts about the test images, by dataset; empty if there are none."""
    doubts = {
        ("verified", None): "nobody verified that these are the published images",
        ("positions", "found"): "drawn from images in another order than published, so the choice "
        "differs",
    }
    return "; ".join(
        dict.fromkeys(
            f"{dataset['name']}: {doubt}"
            for dataset in map(data, records)
            for (key, value), doubt in doubts.items()
            if dataset[key] == value
        )
    )


def _cells(aggregate: Aggregate) -> list[tuple[Cell, Cell]]:
    """Return the cells that the preset can run: as the table's file names them, and as run."""
    table = aggregate.table
    cells: dict[tuple[Cell, Cell], None] = {}
    for row, column in table.numbers():
        named, cell = table.named(row, column), table.cell(row, column)
        path = table.record(row, column)  # None where the preset has no number
        available = path in aggregate.records or not table.missing(row, column)
        if named and cell and path and available:
            cells[named, cell] = None
    return list(cells)


def _training(aggregate: Aggregate) -> str:
    cells = [cell for _, cell in _cells(aggregate) if not cell.undefended]
    settings = {
        "recipe": {cell.recipe for cell in cells},
        "purifier initialised from": _starts(aggregate.table.preset, cells),
        "training seed": {str(cell.seed) for cell in cells},
    }
    parts = [f"{key} {' or '.join(sorted(values))}" for key, values in settings.items() if values]
    overrides = aggregate.table.preset.settings.recipe.given()
    parts += [f"the preset sets {key} to {value}" for key, value in overrides.items()]
    return ", ".join(parts)


def _starts(preset: Preset, cells: list[Cell]) -> set[str]:
    """Describe the initial weights of purifiers; with the purifiers if these differ."""
    purifiers: dict[str, set[str]] = {}
    for cell in (cell for cell in cells if cell.purifies):
        own = preset.purifier(cell.purifier).checkpoints.get(cell.init)
        start = f"{cell.init} ({own.about})" if own and own.about else cell.init
        purifiers.setdefault(start, set()).add(cell.purifier)
    if len(purifiers) < 2:
        return set(purifiers)
    return {f"{start} for {' and '.join(sorted(names))}" for start, names in purifiers.items()}


def _sizes(records: Iterable[Dict]) -> str:
    distinct = sorted({tuple(record["sizes"].items()) for record in records if "sizes" in record})
    return "; ".join(
        ", ".join(f"{name} {pixels}" for name, pixels in sizes) + " pixels" for sizes in distinct
    )


def _verdicts(measured: pd.DataFrame) -> str:
    """Explain the verdicts that occur."""
    present = set(measured["verdict"])
    parts = [f"{name}: {text}" for name, text in LEGEND if present & set(name.split(", "))]
    if "not comparable" in present:
        reasons = measured.loc[measured["verdict"] == "not comparable", "reason"].unique()
        parts.append(f"n/c, not comparable: {'; '.join(reasons)}")
    return ". ".join(parts)


def attacks(aggregate: Aggregate) -> list[tuple[str, str]]:
    """Return columns with their budgets, then attacks that only occur in worst cases.

    Columns with the same budget are one line; a column run with two budgets shows both.
    """
    labels: dict[str, list[str]] = {}
    for column in aggregate.table.columns:
        lines = aggregate.frame[aggregate.frame["column"] == column.key]
        measured = lines.dropna(subset=["measured"])
        texts = (lines if measured.empty else measured)["budget"].unique()
        labels.setdefault("; or ".join(filter(None, texts)), []).append(column.label)
    columns = [(" / ".join(names), text) for text, names in labels.items() if text]
    return columns + list(_candidates(aggregate).items())


def _candidates(aggregate: Aggregate) -> dict[str, str]:
    """Return the budgets of entries that have no column of their own, by entry."""
    table = aggregate.table
    return {
        entry: attack_budgets.entry_text(table, entry, budget)
        for column in table.columns
        if len(column.listed) > 1
        for entry, budget in attack_budgets.as_run(
            table, column, aggregate.records.values()
        ).items()
        if attack_budgets.label(table, entry) == entry
    }


def findings(aggregate: Aggregate) -> list[Dict]:
    """Return findings by name: `items` are texts with the rows that each concerns."""
    names = {row.key: row_name(aggregate.table, row) for row in aggregate.table.rows}
    items: dict[str, list[tuple[str, str]]] = {}
    for finding in sorted(aggregate.findings, key=itemgetter("name")):
        rows = "; ".join(names[key] for key in finding["rows"])
        items.setdefault(finding["name"], []).append((finding["text"], rows))
    return [{"name": name, "items": texts} for name, texts in items.items()]


def provenance(records: Iterable[Dict]) -> str:
    """Describe code, versions, device and dates of the records, each distinct value once."""
    steps = [record["provenance"] for record in records]
    if not steps:
        return ""
    versions = dict.fromkeys(
        ", ".join(f"{name} {number}" for name, number in step["versions"].items() if number)
        for step in steps
    )
    code = dict.fromkeys(
        step["code_sha"] + (f" (commit {step['commit']})" if step.get("commit") else "")
        for step in steps
    )
    days = sorted(step["created"][:10] for step in steps)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    devices = dict.fromkeys(
        step["device"] + (f" ({step['processor']})" if step.get("processor") else "")
        for step in steps
    )
    return (
        f"Made {when} on {' and '.join(devices)} by code {' and '.join(code)} with "
        f"{'; '.join(versions)}."
    )
