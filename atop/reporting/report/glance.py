"""What was reproduced and what was not, for a reader who has a minute."""

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
"""Verdicts on the paper's numbers, as a reader asks."""

COLOURS = dict(
    zip(OUTCOMES, ("#3f9d5a", "#cf4b37", "#d9a72b", "#6f8fb3", "#8a8a8a", "#c4c4c4"), strict=True)
)

GREY = ({"table7", "table9"}, "pgd-20", "classifier")
STRICT = ({"strict"}, "worst", "defense")
"""Tables, column and target of the two evaluations that stand side by side."""


def glance(wholes: list[Aggregate]) -> Dict:
    """What the first screen says.

    Returns:
        `tables`: by table, verdicts, findings and where no claim is drawn. `outcomes`: how many of
        the paper's numbers came out how, with colours. `chart`: the same by table, or None.
        `both`: see `both`.
    """
    tables = [_table(whole) for whole in wholes]
    counts = [
        {"table": one["name"], "outcome": outcome, "count": count}
        for one in tables
        for outcome, count in one["outcomes"].items()
    ]
    return {
        "tables": tables,
        "outcomes": [
            (outcome, sum(one["outcomes"][outcome] for one in tables), colour)
            for outcome, colour in COLOURS.items()
        ],
        "chart": charts.outcomes(counts, COLOURS),
        "both": both(wholes),
    }


def _table(whole: Aggregate) -> Dict:
    """A table's verdicts, counted; outcomes count the paper's numbers alone."""
    frame = whole.frame
    counts = frame["verdict"].value_counts()
    printed = frame.loc[frame["paper"] != "", "verdict"].value_counts()
    return {
        "key": whole.table.name,
        "name": title(whole.table.name),
        "printed": int(printed.sum()),
        "measured": int(frame["measured"].notna().sum()),
        "findings": len(whole.findings),
        "regime": regime.sentence(whole.groups),
        "counts": {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS},
        "outcomes": {
            outcome: sum(int(printed.get(verdict, 0)) for verdict in verdicts)
            for outcome, verdicts in OUTCOMES.items()
        },
    }


def both(wholes: list[Aggregate]) -> list[Dict]:
    """Defences whose accuracy is known under grey-box PGD-20 and in the strict worst case.

    Returns:
        `row` (in the strict table's words) and `cell`; `grey` and `strict`: accuracy and interval
        as texts, `n` and `anchors`; `budget` of the grey box in words.
    """
    grey, strict = (_measured(wholes, *which) for which in (GREY, STRICT))
    return [
        {
            "row": line["labels"],
            "cell": cell,
            "grey": _told(grey[cell]),
            "strict": _told(line),
            "budget": grey[cell]["budget"],
        }
        for cell, line in strict.items()
        if cell in grey
    ]


def _measured(wholes: list[Aggregate], tables: set[str], column: str, target: str) -> Dict:
    """Measured lines of a column of tables by cell; none where something else was attacked.

    Of rows that run the same cell, because one network stands in for several, the first counts.
    """
    lines = (
        line
        | {"anchors": anchors(whole, whole.table.row(line["row"]), [whole.table.column(column)])}
        for whole in wholes
        if whole.table.name in tables
        for line in whole.frame.dropna(subset=["measured"]).to_dict("records")
        if (line["column"], line["target"]) == (column, target)
    )
    found: Dict = {}
    for line in lines:
        found.setdefault(line["cell"], line)
    return found


def _told(line: Any) -> Dict:
    return {
        "value": notes.plain(line["measured"]),
        "interval": notes.interval(line["low"], line["high"]),
        "n": line["n"],
        "anchors": line["anchors"],
    }
