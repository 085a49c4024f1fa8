"""Findings of a table's records: what is wrong within each, and what only shows across them.

They are computed whenever a table is rendered, so that a new rule reaches old records. What a
record holds itself is what the rules of its day found; it is shown nowhere.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import Cell
from atop.experiment.tables import Table
from atop.results import checks
from atop.results.records import Records, correct, evaluation, lacking
from atop.results.regime import Group

POINTS = 1.0
"""So far a worst case may lie above one of its attacks before it is suspected."""


def findings(table: Table, records: Records, groups: list[Group]) -> list[Dict]:
    """All findings: `name`, `text` and the keys of the `rows` they were found in."""
    rows: dict[Path, list[str]] = defaultdict(list)
    for row, column in table.numbers():
        if (path := table.record(row, column)) and row.key not in rows[path]:
            rows[path].append(row.key)
    across = [
        *_other_code(records),
        *_other_examples(records),
        *_other_sets(records),
        *_other_budgets(table, records),
        *_weak_picks(table, records),
        *_not_in_regime(groups),
    ]
    equal: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path, record in records.items():
        for one in checks.findings(record):
            equal[one["name"], one["text"]].append(path)
    own = [(name, text, paths) for (name, text), paths in equal.items()]
    return [
        {"name": name, "text": text, "rows": _each_once(key for p in paths for key in rows[p])}
        for name, text, paths in [*across, *own]
    ]


Found = Iterator[tuple[str, str, list[Path]]]
"""Name, text, and the records it was found in."""


def _other_code(records: Records) -> Found:
    steps = {path: list(_steps(record)) for path, record in records.items()}
    every = [step for made in steps.values() for step in made]
    if len({step["code_sha"] for step in every}) < 2:
        return
    newest = max(every, key=lambda step: str(step["created"]))["code_sha"]
    text = f"trained, attacked or evaluated by other code than the newest step ({newest})"
    old = [path for path, made in steps.items() if any(s["code_sha"] != newest for s in made)]
    yield "different-code", text, old


def _steps(record: Dict) -> Iterator[Dict]:
    """Provenance of all steps behind a record: training, attacks, evaluation."""
    yield record["provenance"]
    if record.get("training"):
        yield record["training"]["provenance"]
    for one in record["evaluations"]:
        if (one["adversarial"] or {}).get("provenance"):
            yield one["adversarial"]["provenance"]


def _other_examples(records: Records) -> Found:
    """Records of a dataset under a suite share their examples."""
    alike: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path, record in records.items():
        alike[record["cell"]["dataset"], record["suite"]].append(path)
    for paths in alike.values():
        if any(records[a]["indices"] != records[b]["indices"] for a, b in pairwise(paths)):
            text = "rows were measured on different examples; those are not compared in pairs"
            yield "different-examples", text, paths


def _other_sets(records: Records) -> Found:
    """An adversarial set of the bare classifier goes to all who share the classifier."""
    sets: dict[tuple[str, str], dict[Path, str]] = defaultdict(dict)
    for path, record in records.items():
        bare = Cell(dataset=record["cell"]["dataset"], classifier=record["cell"]["classifier"]).id
        for one in record["evaluations"]:
            attack, victim = config.entry(one["attack"], record["target"])
            if victim == "classifier" and one["adversarial"]:
                sets[bare, attack][path] = one["adversarial"]["sha256"]
    for (bare, attack), hashes in sets.items():
        if len(set(hashes.values())) > 1:
            text = f"{attack} on {bare}: rows were handed different adversarial sets"
            yield "different-adversarial-sets", text, list(hashes)


def _other_budgets(table: Table, records: Records) -> Found:
    for entry in _each_once(entry for column in table.columns for entry in column.entries):
        attack, _ = config.entry(entry, "")
        now, paths = config.attack(attack, table.preset), []
        for path, record in records.items():
            found = evaluation(record, entry)
            if found and any(found["budget"].get(name) != value for name, value in now.items()):
                paths.append(path)
        if paths:
            text = f"{entry} was run with another budget than the config now says"
            yield "different-budget", text, paths


def _weak_picks(table: Table, records: Records) -> Found:
    """Too few selection draws pick by luck, and a worst case rises above one of its own attacks."""
    found: dict[str, list[Path]] = defaultdict(list)
    for row, column in table.numbers():
        path = table.record(row, column)
        record = records.get(path) if path else None
        if path is None or record is None or len(column.entries) < 2 or lacking(record, column):
            continue
        worst = 100 * correct(record, column).mean()
        for entry in column.entries:
            alone = 100 * correct(record, replace(column, entries=(entry,))).mean()
            if worst > alone + POINTS:
                text = (
                    f"{column.label} ({worst:.1f}%) lies above {entry} ({alone:.1f}%), one of its "
                    f"attacks: {record['selection']} selection draws are too few to pick by"
                )
                if path not in found[text]:
                    found[text].append(path)
    for text, paths in found.items():
        yield "worst-case-above-an-attack", text, paths


def _not_in_regime(groups: list[Group]) -> Found:
    for group in groups:
        if group.reasons:
            why = "; ".join(group.reasons)
            text = f"{group.label} without AToP: {why}. No claim about AToP is drawn"
            yield "not-in-regime", text, list(group.paths)


def _each_once(keys: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(keys))
