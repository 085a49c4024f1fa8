"""What stands under a table, as plain text: how it was measured, on what, by which code."""

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import pandas as pd

from atop import config, stats
from atop.aggregate import Aggregate, named_cell, row_name
from atop.records import evaluation

Dict = dict[str, Any]

TARGETS = {
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


def title(name: str) -> str:
    """Table 7 for the name table7; other names stay."""
    match = re.fullmatch(r"table(\d+)", name)
    return f"Table {match[1]}" if match else name


def plain(value: float) -> str:
    """A number with one decimal, a true minus sign and no minus zero."""
    return f"{round(value, 1) + 0.0:.1f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    """A difference with its sign."""
    return ("+" if round(value, 1) > 0 else "") + plain(value)


def interval(low: float, high: float) -> str:
    """A 95% interval in brackets."""
    return f"[{plain(low)}, {plain(high)}]"


def p_value(p: float | None) -> str:
    """A p value; empty where there is none."""
    if p is None or pd.isna(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def notes(whole: Aggregate) -> list[tuple[str, str]]:
    """Headed sentences on how the table was measured."""
    chosen = config.preset(whole.table.preset)
    about = " ".join(chosen["about"].split())
    if not chosen["comparable"]:
        about += "; these numbers are not comparable with the paper's"
    found = [
        (f"Preset {whole.table.preset}", about),
        ("Examples", _examples(whole)),
        ("Attacks differentiate", TARGETS.get(whole.target, f"the surrogate {whole.target}")),
        ("Networks and data", _networks(whole)),
        ("Training", _training(whole)),
        ("Sizes", _sizes(whole.records.values())),
        ("Verdicts", _verdicts(whole)),
    ]
    return [(heading, text) for heading, text in found if text]


def _examples(whole: Aggregate) -> str:
    frame = whole.frame.dropna(subset=["measured"])
    if frame.empty:
        return "nothing was run"
    several = (frame["draws"] > 1).any()
    how = "Wilson; bootstrap over examples where draws differ" if several else "Wilson"
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
    stands_in = {}
    for row in whole.table.rows:
        named = named_cell(whole.table, row)
        stands_in[row.cell.classifier] = named.classifier
        stands_in[row.cell.dataset] = named.dataset
    parts = []
    for name in dict.fromkeys([*sizes, *stands_in]):
        size = " or ".join(f"{count:,}" for count in sorted(sizes.get(name, ())))
        text = name + (f" ({size} parameters)" if size else "")
        if stands_in.get(name, name) != name:
            text += f" stands in for {stands_in[name]}"
        parts.append(text)
    return "; ".join(parts)


def _training(whole: Aggregate) -> str:
    cells = [row.cell for row in whole.table.rows if not row.cell.undefended]
    told = {
        "recipe": {cell.recipe for cell in cells},
        "purifier initialised from": {cell.init for cell in cells},
        "training seed": {str(cell.seed) for cell in cells},
    }
    parts = [f"{what} {' or '.join(sorted(which))}" for what, which in told.items() if which]
    overrides = config.preset(whole.table.preset).get("recipe", {})
    parts += [f"the preset sets {key} to {value}" for key, value in overrides.items()]
    return ", ".join(parts)


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


def as_run(whole: Aggregate, column: Dict) -> Dict:
    """A column's budget: of the first record that has it, else of the config."""
    for record in whole.records.values():
        if found := evaluation(record, column["attack"]):
            budget: Dict = found["budget"]
            return budget
    return config.attack(column["attack"], whole.table.preset)


def budgets(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Columns and their budgets in words; a column run with two budgets shows both."""
    measured = frame.dropna(subset=["measured"])
    found = []
    for label in frame["column_label"].unique():
        lines = measured[measured["column_label"] == label]
        lines = frame[frame["column_label"] == label] if lines.empty else lines
        texts = [text for text in lines["budget"].unique() if text]
        if texts:
            found.append((label, "; or ".join(texts)))
    return found


def findings(whole: Aggregate) -> list[Dict]:
    """Findings by name: a list of texts with the rows that each was found in."""
    ordered = sorted(whole.findings, key=lambda finding: str(finding["name"]))
    return [
        {
            "name": name,
            "items": [
                (finding["text"], "; ".join(row_name(whole.table, key) for key in finding["rows"]))
                for finding in group
            ],
        }
        for name, group in groupby(ordered, key=lambda finding: finding["name"])
    ]


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
    devices = dict.fromkeys(one["device"] for one in made)
    return (
        f"Made {when} on {' and '.join(devices)} by code {' and '.join(code)} with "
        f"{'; '.join(versions)}."
    )
