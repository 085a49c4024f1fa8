"""The page is made: what its tables and records say, collected for the template."""

from itertools import chain
from pathlib import Path

from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.paper import title
from atop.experiment.tables import Table
from atop.reporting import differences, notes
from atop.reporting.aggregate import Aggregate, aggregate
from atop.reporting.report import (
    charts,
    cost,
    curves,
    figures,
    glance,
    numbers,
    page,
    records,
    trained,
)
from atop.reporting.view import view


def report(*, tables: list[Table], results: Path, out: Path) -> Path:
    """Write out/report.html, whole or not at all, and return its path.

    Args:
        tables: all under the same preset.
        results: the folder that holds <preset>/records and what made them.
        out: the folder of the preset's rendered figures. What is missing there is said.

    Raises:
        AtopError: a broken record, figure or config.
    """
    wholes = [aggregate(table=table, results=results) for table in tables]
    found = {path: record for whole in wholes for path, record in whole.records.items()}
    stages = trained.stages(wholes, results)
    preset = config.preset(tables[0].preset)
    parts = {
        "preset": tables[0].preset,
        "about": " ".join(preset.about.split()),
        "comparable": preset.comparable,
        "verdicts": glance.VERDICTS,
        "glance": glance.glance(wholes),
        "legend": notes.LEGEND,
        "lines": sorted(
            chain.from_iterable(map(numbers.lines, wholes)), key=lambda line: not line["anchor"]
        ),
        "tables": [_table(whole, out) for whole in wholes],
        "grids": figures.grids(out, tables[0]),
        "curves": curves.curves(stages),
        "cost": cost.cost(found, stages, results),
        "records": [records.entry(path, one) for path, one in found.items()],
    }
    return page.write(parts, out / "report.html")


def _table(whole: Aggregate, out: Path) -> Dict:
    """A table as its Markdown says it, with its intervals and its figure."""
    about = {
        "slug": whole.table.name,
        "summary": differences.summary(whole),
        "chart": charts.intervals(whole.frame, title(whole.table.name)),
        "figure": figures.of_table(whole.table, out),
    }
    return numbers.link(whole, view(whole)) | about
