"""Findings of a table: those of each record, and those that only several records show.

They are computed whenever a table is rendered, so that new checks apply to old records. The
findings that a record holds are those of the checks when it was written; no table shows them.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from atop.core.values import Dict
from atop.experiment.cells import Cell
from atop.experiment.settings.attacks import parse_entry
from atop.experiment.tables import Table
from atop.results import checks
from atop.results.records import Records, correct, entries, evaluation, lacking, steps
from atop.results.regime import Group

POINTS = 1.0
"""Points by which a worst case may be above one of its attacks without a finding."""

Findings = Iterator[tuple[str, str, list[Path]]]
"""Name, text, and the records concerned."""


def findings(table: Table, records: Records, groups: list[Group]) -> list[Dict]:
    """Return all findings: `name`, `text` and the keys of the `rows` concerned."""
    rows: dict[Path, list[str]] = defaultdict(list)
    for row, column in table.numbers():
        if path := table.record(row, column):
            rows[path].append(row.key)
    own: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path, record in records.items():
        for finding in checks.findings(record):
            own[finding["name"], finding["text"]].append(path)
    everything = [
        *_other_code(records),
        *_other_examples(records),
        *_other_sets(records),
        *_other_budgets(table, records),
        *_unreliable_worst_case(table, records),
        *_not_in_regime(groups),
        *((name, text, paths) for (name, text), paths in own.items()),
    ]
    return [
        {"name": name, "text": text, "rows": _unique(key for path in paths for key in rows[path])}
        for name, text, paths in everything
    ]


def _other_code(records: Records) -> Findings:
    """Steps that were run with other code than the newest step."""
    provenance = {path: [step for _, step in steps(record)] for path, record in records.items()}
    every = [step for path in provenance for step in provenance[path]]
    if len({step["code_sha"] for step in every}) < 2:
        return
    newest = max(every, key=lambda step: str(step["created"]))["code_sha"]
    text = f"trained, attacked or evaluated with other code than the newest step ({newest})"
    old = [path for path in records if {s["code_sha"] for s in provenance[path]} != {newest}]
    yield "different-code", text, old


def _other_examples(records: Records) -> Findings:
    """Records of a dataset under a suite that do not share their examples."""
    groups: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path, record in records.items():
        groups[record["cell"]["dataset"], record["suite"]].append(path)
    for paths in groups.values():
        if any(records[a]["indices"] != records[b]["indices"] for a, b in pairwise(paths)):
            text = "rows were measured on different examples; such rows are not compared in pairs"
            yield "different-examples", text, paths


def _other_sets(records: Records) -> Findings:
    """Rows with the same classifier but different adversarial sets of the bare classifier."""
    sets: dict[tuple[str, str], dict[Path, str]] = defaultdict(dict)
    for path, record in records.items():
        bare = Cell(dataset=record["cell"]["dataset"], classifier=record["cell"]["classifier"]).id
        for run in record["evaluations"]:
            _, attack, target = parse_entry(run["attack"], record["target"])
            if target == "classifier" and run["adversarial"]:
                sets[bare, attack][path] = run["adversarial"]["sha256"]
    for (bare, attack), hashes in sets.items():
        if len(set(hashes.values())) > 1:
            text = f"{attack} on {bare}: rows were evaluated on different adversarial sets"
            yield "different-adversarial-sets", text, list(hashes)


def _other_budgets(table: Table, records: Records) -> Findings:
    """Entries that were run with another budget than that of the config."""
    for entry in _unique(entry for column in table.columns for entry in column.entries):
        budget = table.preset.attack(parse_entry(entry, "").attack).given()
        paths = []
        for path, record in records.items():
            run = evaluation(record, entry)
            if run and any(run["budget"].get(name) != value for name, value in budget.items()):
                paths.append(path)
        if paths:
            text = f"{entry} was run with another budget than that of the config"
            yield "different-budget", text, paths


def _unreliable_worst_case(table: Table, records: Records) -> Findings:
    """Worst cases above one of their attacks, because few selection draws pick by luck."""
    paths: dict[str, list[Path]] = defaultdict(list)
    for row, column in table.numbers():
        path = table.record(row, column)
        record = records.get(path) if path else None
        if path is None or record is None or len(column.entries) < 2 or lacking(record, column):
            continue
        worst = 100 * correct(record, column).mean()
        for entry in entries(record, column):
            alone = 100 * correct(record, replace(column, entries=(entry,))).mean()
            if worst > alone + POINTS:
                text = (
                    f"{column.label} ({worst:.1f}%) is above {entry} ({alone:.1f}%), one of its "
                    f"attacks: {record['selection']} selection draws are too few to pick the worst"
                )
                paths[text].append(path)
    for text, concerned in paths.items():
        yield "worst-case-above-an-attack", text, list(dict.fromkeys(concerned))


def _not_in_regime(groups: list[Group]) -> Findings:
    for group in groups:
        if group.reasons:
            reasons = "; ".join(group.reasons)
            text = f"{group.label} without AToP: {reasons}. No claim about AToP is drawn"
            yield "not-in-regime", text, list(group.paths)


def _unique(keys: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(keys))
