"""How far the measured numbers are from the paper's, the farthest first."""

from collections import Counter
from typing import Any

import pandas as pd

from atop.core import stats
from atop.core.values import Dict
from atop.experiment.paper import title
from atop.reporting import notes
from atop.reporting.aggregate import Aggregate
from atop.results import regime

ORDER = (*stats.VERDICTS, "cited", "not run")


def view(whole: Aggregate) -> Dict:
    """What diff.md.j2 sees: a summary, measured cells by absolute difference, cells not run."""
    frame = whole.frame[(whole.frame["paper"] != "") | whole.frame["measured"].isna()]
    measured = frame.dropna(subset=["difference"]).sort_values(
        "difference", key=lambda gaps: gaps.abs(), ascending=False, kind="stable"
    )
    missing = frame[frame["measured"].isna()]
    return {
        "name": title(whole.table.name),
        "preset": notes.preset(whole.table),
        "summary": summary(whole),
        "notes": notes.notes(whole),
        "lines": [_line(line) for line in measured.to_dict("records")],
        "missing": _missing(missing),
    }


def summary(whole: Aggregate) -> str:
    """How many of the paper's numbers got which verdict, and where no claim is drawn."""
    return " ".join([_verdicts(whole.frame), regime.sentence(whole.groups)]).strip()


def _verdicts(frame: pd.DataFrame) -> str:
    printed = frame[frame["paper"] != ""]
    counts = Counter(printed["verdict"])
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict])
    return (
        f"Of {len(printed)} numbers in the paper: {told}."
        if told
        else "The paper prints no such numbers."
    )


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


def _missing(frame: pd.DataFrame) -> list[Dict]:
    """Cells not run, those of a row with the same reason together."""
    return [
        {"row": labels, "columns": ", ".join(lines["column_label"]), "reason": reason}
        for (labels, reason), lines in frame.groupby(["labels", "reason"], sort=False)
    ]
