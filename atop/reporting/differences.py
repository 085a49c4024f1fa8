"""Differences between the measured numbers and the paper's, the largest first."""

from collections import Counter
from typing import Any

from atop.core import stats
from atop.core.values import Dict
from atop.experiment.paper import title
from atop.reporting import notes
from atop.reporting.aggregate import Aggregate
from atop.results import regime

ORDER = (*stats.VERDICTS, "cited", "not run")


def view(aggregate: Aggregate) -> Dict:
    """Return the values of diff.md.j2: summary, cells by absolute difference, missing cells."""
    frame = aggregate.frame
    frame = frame[(frame["paper"] != "") | frame["measured"].isna()]
    missing = frame[frame["measured"].isna()]
    measured = frame.dropna(subset=["difference"]).sort_values(
        "difference", key=lambda differences: differences.abs(), ascending=False, kind="stable"
    )
    return {
        "name": title(aggregate.table.name),
        "preset": notes.preset(aggregate.table),
        "summary": summary(aggregate),
        "notes": notes.notes(aggregate),
        "lines": [_line(line) for line in measured.to_dict("records")],
        "missing": [
            {"row": labels, "columns": ", ".join(lines["column_label"]), "reason": reason}
            for (labels, reason), lines in missing.groupby(["labels", "reason"], sort=False)
        ],
    }


def summary(aggregate: Aggregate) -> str:
    """Count the paper's numbers by verdict, and name the rows without a claim about AToP."""
    frame = aggregate.frame
    printed = frame.loc[frame["paper"] != "", "verdict"]
    counts = Counter(printed)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict])
    sentence = f"Of {len(printed)} numbers in the paper: {verdicts}."
    if not verdicts:
        sentence = "The paper prints no such numbers."
    return " ".join([sentence, regime.sentence(aggregate.groups)]).strip()


def _line(line: Any) -> Dict:
    return {
        "row": line["labels"],
        "column": line["column_label"],
        "paper": line["paper"],
        "measured": f"{notes.plain(line['measured'])} {notes.interval(line['low'], line['high'])}",
        "difference": notes.signed(line["difference"]),
        "interval": notes.interval(line["difference_low"], line["difference_high"]),
        "verdict": line["verdict"],
    }
