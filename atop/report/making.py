"""The page is made: what its tables and records say, collected for the template."""

from itertools import chain
from pathlib import Path
from typing import Any

from atop import config, diff, notes, stats
from atop.aggregate import Aggregate, aggregate
from atop.paper import title
from atop.report import charts, cost, curves, figures, numbers, page, records
from atop.tables import Table
from atop.view import view

Dict = dict[str, Any]

VERDICTS = (*stats.VERDICTS, "not in the paper", "cited", "not run")


def report(*, tables: list[Table], results: Path, out: Path) -> Path:
    """Write out/report.html, whole or not at all, and return its path.

    Args:
        tables: all under the same preset.
        results: the folder that holds <preset>/records and <preset>/purifiers.
        out: the folder of the preset's rendered figures. What is missing there is said.

    Raises:
        AtopError: a broken record, figure or config.
    """
    wholes = [aggregate(table=table, results=results) for table in tables]
    found = {path: record for whole in wholes for path, record in whole.records.items()}
    stages = curves.stages(wholes, results)
    parts = {
        "preset": tables[0].preset,
        "about": " ".join(config.preset(tables[0].preset)["about"].split()),
        "comparable": config.preset(tables[0].preset)["comparable"],
        "verdicts": VERDICTS,
        "glance": [_glance(whole) for whole in wholes],
        "legend": notes.LEGEND,
        "lines": sorted(
            chain.from_iterable(map(numbers.lines, wholes)), key=lambda line: not line["anchor"]
        ),
        "tables": [_table(whole, out) for whole in wholes],
        "grids": figures.grids(out),
        "curves": curves.charts(stages),
        "untold": [stage.cell for stage in stages if not stage.history],
        "cost": cost.lines(found, stages),
        "records": [records.entry(path, one) for path, one in found.items()],
    }
    return page.write(parts, out / "report.html")


def _glance(whole: Aggregate) -> Dict:
    """A table's verdicts, counted."""
    counts = whole.frame["verdict"].value_counts()
    return {
        "key": whole.table.name,
        "name": title(whole.table.name),
        "title": whole.table.spec["title"],
        "printed": int((whole.frame["paper"] != "").sum()),
        "measured": int(whole.frame["measured"].notna().sum()),
        "findings": len(whole.findings),
        "counts": {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS},
    }


def _table(whole: Aggregate, out: Path) -> Dict:
    """A table as its Markdown says it, with its intervals and its figure."""
    about = {
        "slug": whole.table.name,
        "summary": diff.summary(whole.frame),
        "chart": charts.intervals(whole.frame, title(whole.table.name)),
        "figure": figures.of_table(whole.table, out),
    }
    return numbers.link(whole, view(whole)) | about
