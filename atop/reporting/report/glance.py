"""Summary for a reader with one minute: what was reproduced, and what was not."""

from typing import Any

from atop.core import stats
from atop.core.values import Dict
from atop.experiment.paper import title
from atop.reporting import notes
from atop.reporting.aggregate import Aggregate
from atop.reporting.report import charts
from atop.reporting.report.records import anchors
from atop.results import regime

VERDICTS = (*stats.VERDICTS, "not in the paper", "cited", "not run")

OUTCOMES = {
    "reproduced": ("consistent",),
    "not reproduced": ("higher", "lower"),
    "undecided": ("inconclusive",),
    "not comparable": ("not comparable",),
    "not run": ("not run",),
    "cited only": ("cited",),
}
"""Verdicts on the paper's numbers by outcome."""

COLOURS = dict(
    zip(OUTCOMES, ("#3f9d5a", "#cf4b37", "#d9a72b", "#6f8fb3", "#8a8a8a", "#c4c4c4"), strict=True)
)

GREY = ({"table7", "table9"}, "pgd-20", "classifier")
STRICT = ({"strict"}, "worst", "defense")
"""Tables, column and target of the two evaluations that the page compares."""


def glance(aggregates: list[Aggregate]) -> Dict:
    """Return the content of the first screen.

    Returns:
        `tables`: by table, verdicts, findings and rows without a claim. `outcomes`: the paper's
        numbers by outcome, with colours. `chart`: the same by table, or None. `both`: see `both`.
    """
    tables = [_table(aggregate) for aggregate in aggregates]
    counts = [
        {"table": table["name"], "outcome": outcome, "count": count}
        for table in tables
        for outcome, count in table["outcomes"].items()
    ]
    return {
        "tables": tables,
        "outcomes": [
            (outcome, sum(table["outcomes"][outcome] for table in tables), colour)
            for outcome, colour in COLOURS.items()
        ],
        "chart": charts.outcomes(counts, COLOURS),
        "both": both(aggregates),
    }


def _table(aggregate: Aggregate) -> Dict:
    """Count a table's numbers by verdict, and the paper's numbers by outcome."""
    frame = aggregate.frame
    counts = frame["verdict"].value_counts()
    printed = frame.loc[frame["paper"] != "", "verdict"].value_counts()
    return {
        "key": aggregate.table.name,
        "name": title(aggregate.table.name),
        "printed": int(printed.sum()),
        "measured": int(frame["measured"].notna().sum()),
        "findings": len(aggregate.findings),
        "regime": regime.sentence(aggregate.groups),
        "counts": {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS},
        "outcomes": {
            outcome: sum(int(printed.get(verdict, 0)) for verdict in verdicts)
            for outcome, verdicts in OUTCOMES.items()
        },
    }


def both(aggregates: list[Aggregate]) -> list[Dict]:
    """Return the defences that were measured under grey-box PGD-20 and in the strict worst case.

    Returns:
        `row` (its name in the strict table) and `cell`; `grey` and `strict`: accuracy and interval
        as texts, `n` and `anchors`; `budget` of the grey box as text.
    """
    grey, strict = (_measured(aggregates, *evaluation) for evaluation in (GREY, STRICT))
    return [
        {
            "row": line["labels"],
            "cell": cell,
            "grey": _texts(grey[cell]),
            "strict": _texts(line),
            "budget": grey[cell]["budget"],
        }
        for cell, line in strict.items()
        if cell in grey
    ]


def _measured(aggregates: list[Aggregate], tables: set[str], column: str, target: str) -> Dict:
    """Return the measured lines of a column by cell, if the attacks have this target.

    If a preset runs the same cell for several rows, the first row counts.
    """
    lines: Dict = {}
    for aggregate in aggregates:
        frame, table = aggregate.frame.dropna(subset=["measured"]), aggregate.table
        same = (frame["column"] == column) & (frame["target"] == target)
        for line in frame[same].to_dict("records") if table.name in tables else ():
            own = anchors(aggregate, table.row(line["row"]), [table.column(column)])
            lines.setdefault(line["cell"], line | {"anchors": own})
    return lines


def _texts(line: Any) -> Dict:
    return {
        "value": notes.plain(line["measured"]),
        "interval": notes.interval(line["low"], line["high"]),
        "n": line["n"],
        "anchors": line["anchors"],
    }
