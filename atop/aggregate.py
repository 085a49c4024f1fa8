"""Records and the paper's numbers become one long frame: a line per row and column of a table.

Everything that is printed under a table is made here too: paired comparisons, findings, deviations.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from atop import config, paths, stats
from atop.cells import Cell
from atop.files import ROOT
from atop.records import budget_text, correct, evaluation, locate, read

Dict = dict[str, Any]

PAPER = ROOT / "tables" / "paper"

# fmt: off
COLUMNS = [
    "preset", "target", "row", "labels", "control", "cell", "column", "column_label", "attack",
    "budget", "measured", "low", "high", "n", "draws", "seeds", "paper", "paper_n", "paper_source",
    "difference", "difference_low", "difference_high", "verdict", "reason",
]
PAIR_COLUMNS = [
    "first", "second", "column", "column_label", "n", "difference", "low", "high", "p", "reason",
]
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """All that a rendered table says.

    Attributes:
        frame: COLUMNS, a line per row and column; accuracies in percent, differences (measured
            minus paper) in points. `paper` is text, as printed.
        pairs: PAIR_COLUMNS, rows compared on the same examples.
        findings: `name`, `text` and the `rows` (keys) they were found in.
        deviations: the rows of deviations.yaml that touch the table.
        records: by key of the row, for rows that were run.
    """

    table: config.Table
    target: str
    frame: pd.DataFrame
    pairs: pd.DataFrame
    findings: list[Dict]
    deviations: list[Dict]
    records: dict[str, Dict]


def aggregate(*, table: config.Table, results: Path, target: str) -> Aggregate:
    """Collect a table under its preset from the records below `results`.

    A cell without a record is no error: its line says which file is missing and how to make it.

    Raises:
        AtopError: a record that is broken or belongs to another cell; names file and key.
    """
    suite, preset = table.spec["suite"], table.preset
    files = {
        row.key: locate(results=results, preset=preset, cell=row.cell, suite=suite, target=target)
        for row in table.rows
    }
    records = {
        row.key: read(files[row.key], cell=row.cell)
        for row in table.rows
        if row.unavailable is None and files[row.key].exists()
    }
    paper = paper_numbers(table.name)
    lines = [
        _line(
            row,
            column,
            records.get(row.key),
            paper,
            table=table,
            target=target,
            file=files[row.key],
        )
        for row in table.rows
        for column in table.spec["columns"]
    ]
    frame = pd.DataFrame(lines, columns=COLUMNS)
    ledger = config.read("deviations")["deviations"]
    return Aggregate(
        table=table,
        target=target,
        frame=frame.astype(dict.fromkeys(("n", "draws", "seeds"), "Int64")),
        pairs=pd.DataFrame(list(_pairs(table, records)), columns=PAIR_COLUMNS),
        findings=_findings(table, records, target),
        deviations=[row for row in ledger if table.name in row["tables"]],
        records=records,
    )


def paper_numbers(table: str) -> dict[tuple[str, str], Dict]:
    """The paper's numbers by (row, column), as text; empty for a table that the paper lacks."""
    path = PAPER / f"{table}.csv"
    if not path.exists():
        return {}
    lines = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    return {(line["row"], line["column"]): {str(k): v for k, v in line.items()} for line in lines}


def _line(
    row: config.Row,
    column: Dict,
    record: Dict | None,
    paper: dict[tuple[str, str], Dict],
    *,
    table: config.Table,
    target: str,
    file: Path,
) -> Dict:
    printed = paper.get((row.key, column["key"]), {})
    found = evaluation(record, column["attack"]) if record else None
    budget = found["budget"] if found else config.attack(column["attack"], table.preset)
    line: Dict = {
        "preset": table.preset,
        "target": target,
        "row": row.key,
        "labels": row_name(table, row.key),
        "control": row.control,
        "cell": row.cell.id,
        "column": column["key"],
        "column_label": column["label"],
        "attack": column["attack"],
        "budget": budget_text(budget),
        "paper": printed.get("value", ""),
        "paper_n": printed.get("n", ""),
        "paper_source": printed.get("source", ""),
    }
    if record and found:
        why_not = _incomparable(table, row, column, target, budget)
        return line | _measured(record, found, printed, why_not)
    cited = row.unavailable and printed.get("source") == "cited"
    reason = row.unavailable or _missing(file, record, column)
    return line | {"verdict": "cited" if cited else "not run", "reason": reason}


def _measured(record: Dict, found: Dict, printed: Dict, why_not: str | None) -> Dict:
    measured = stats.accuracy(correct(record, found["attack"]))
    line: Dict = {
        "measured": measured.value,
        "low": measured.low,
        "high": measured.high,
        "n": record["n"],
        "draws": record["draws"],
        "seeds": 1,
    }
    if not printed:
        return line | {"verdict": "not in the paper", "reason": ""}
    value = float(printed["value"])
    if printed["n"]:
        # Printed numbers are rounded: the count nearest to them carries their sampling error.
        count = stats.wilson(successes=round(value * int(printed["n"]) / 100), n=int(printed["n"]))
        theirs = count._replace(value=value)
    else:
        theirs = stats.exact(value)
    gap = stats.difference(measured, theirs)
    return line | {
        "difference": gap.value,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "verdict": stats.verdict(gap, comparable=why_not is None),
        "reason": why_not or "",
    }


def _incomparable(
    table: config.Table, row: config.Row, column: Dict, target: str, budget: Dict
) -> str | None:
    """Why a measured number must not be judged against the paper's; None if it may be."""
    chosen = config.preset(table.preset)
    named = named_cell(table, row)
    if not chosen["comparable"]:
        return f"preset {table.preset}"
    if target != config.suite(table.spec["suite"])["target"]:
        return "the attack differentiates something else than the paper's"
    if (named.dataset, named.classifier) != (row.cell.dataset, row.cell.classifier):
        return "another network or dataset"
    if not row.cell.undefended and row.cell.init != named.init:
        return f"another initialisation ({row.cell.init})"
    printed = {**column.get("paper", {}), **budget.get("scaled", {})}
    return "another budget" if any(budget.get(k) != v for k, v in printed.items()) else None


def row_name(table: config.Table, key: str) -> str:
    """A row in words, such as "RT1, AToP yes": its labels under the headings of the table."""
    labels = next(row.labels for row in table.rows if row.key == key)
    first, *others = zip(table.spec["labels"], labels, strict=True)
    told = [f"{heading} {label}" for heading, label in others if label not in ("", "-")]
    return ", ".join([first[1], *told])


def named_cell(table: config.Table, row: config.Row) -> Cell:
    """The cell as the table's file names it, before the preset's stand-ins."""
    listed = [*table.spec["rows"], *table.spec.get("controls", [])]
    cell = next(entry["cell"] for entry in listed if entry["key"] == row.key)
    return Cell(**{**table.spec["defaults"], **cell})


def _missing(file: Path, record: Dict | None, column: Dict) -> str:
    # The file as Snakemake knows it, wherever the folder of results lies.
    shown = paths.RESULTS.joinpath(*file.parts[-4:])
    command = f"snakemake --cores all --resources gpu=1 -- {shown}"
    if record:
        return f"its record lacks the attack {column['attack']}: `rm {shown}; {command}`"
    return f"no record yet; this makes it: `{command}`"


def _pairs(table: config.Table, records: dict[str, Dict]) -> Iterator[Dict]:
    for first, second in table.spec.get("pairs", []):
        for column in table.spec["columns"]:
            line: Dict = {"first": first, "second": second}
            line |= {"column": column["key"], "column_label": column["label"]}
            reason = _unpairable(records.get(first), records.get(second), column["attack"])
            if reason:
                yield line | {"reason": reason}
                continue
            one, other = records[first], records[second]
            result = stats.paired(correct(one, column["attack"]), correct(other, column["attack"]))
            yield line | {
                "n": one["n"],
                "difference": result.value,
                "low": result.low,
                "high": result.high,
                "p": result.p,
                "reason": "",
            }


def _unpairable(one: Dict | None, other: Dict | None, attack: str) -> str | None:
    if not (one and other and evaluation(one, attack) and evaluation(other, attack)):
        return "not run"
    if (one["indices"], one["labels"]) != (other["indices"], other["labels"]):
        return "measured on other examples"
    return None


def _findings(table: config.Table, records: dict[str, Dict], target: str) -> list[Dict]:
    """Findings of the records, equal ones together, and what only shows across records."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, record in records.items():
        for finding in record["findings"]:
            rows[finding["name"], finding["text"]].append(key)
    found = [{"name": name, "text": text, "rows": keys} for (name, text), keys in rows.items()]
    return [*_disagreements(records, target), *_stale_budgets(table, records), *found]


def _disagreements(records: dict[str, Dict], target: str) -> Iterator[Dict]:
    steps = {key: list(_steps(record)) for key, record in records.items()}
    if len({step["code_sha"] for made in steps.values() for step in made}) > 1:
        latest = max((step for made in steps.values() for step in made), key=lambda s: s["created"])
        newest = latest["code_sha"]
        yield {
            "name": "different-code",
            "text": f"trained, attacked or evaluated by other code than the newest step ({newest})",
            "rows": [
                key for key, made in steps.items() if any(s["code_sha"] != newest for s in made)
            ],
        }
    if any(one["indices"] != other["indices"] for one, other in pairwise(records.values())):
        text = "rows were measured on different examples; those are not compared in pairs"
        yield {"name": "different-examples", "text": text, "rows": list(records)}
    if target != "classifier":
        return
    sets: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records.values():
        for evaluated in record["evaluations"]:
            if evaluated["adversarial"]:
                sets[record["victim"], evaluated["attack"]].add(evaluated["adversarial"]["sha256"])
    for (victim, attack), hashes in sets.items():
        if len(hashes) > 1:
            text = f"{attack} on {victim}: rows were handed different adversarial sets"
            yield {"name": "different-adversarial-sets", "text": text, "rows": list(records)}


def _steps(record: Dict) -> Iterator[Dict]:
    """Provenance of all steps behind a record: training, attacks, evaluation."""
    yield record["provenance"]
    if record.get("training"):
        yield record["training"]["provenance"]
    for evaluated in record["evaluations"]:
        if (evaluated["adversarial"] or {}).get("provenance"):
            yield evaluated["adversarial"]["provenance"]


def _stale_budgets(table: config.Table, records: dict[str, Dict]) -> Iterator[Dict]:
    for attack in dict.fromkeys(column["attack"] for column in table.spec["columns"]):
        now, rows = config.attack(attack, table.preset), []
        for key, record in records.items():
            found = evaluation(record, attack)
            if found and any(found["budget"].get(name) != value for name, value in now.items()):
                rows.append(key)
        if rows:
            text = f"{attack} was run with another budget than the config now says"
            yield {"name": "different-budget", "text": text, "rows": rows}
