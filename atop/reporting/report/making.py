"""Collect the contents of tables and records for the page's template."""

from itertools import chain
from pathlib import Path

from atop.core.values import Dict
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
    """Write out/report.html for tables under the same preset, and return its path.

    `results` has <preset>/records and the files behind them; `out` has the rendered figures. The
    page names what is missing.

    Raises:
        AtopError: a record, a figure or the config is broken.
    """
    aggregates = [aggregate(table=table, results=results) for table in tables]
    evaluated = {path: record for each in aggregates for path, record in each.records.items()}
    stages = trained.stages(aggregates, results)
    preset = tables[0].preset.settings
    lines = chain.from_iterable(map(numbers.lines, aggregates))
    parts = {
        "preset": tables[0].preset.name,
        "about": " ".join(preset.about.split()),
        "comparable": preset.comparable,
        "verdicts": glance.VERDICTS,
        "glance": glance.glance(aggregates),
        "legend": notes.LEGEND,
        "lines": sorted(lines, key=lambda line: not line["anchor"]),
        "tables": [_table(each, out) for each in aggregates],
        "grids": figures.grids(out, tables[0]),
        "curves": curves.curves(stages),
        "cost": cost.cost(evaluated, stages, results),
        "records": [records.entry(path, record) for path, record in evaluated.items()],
    }
    return page.write(parts, out / "report.html")


def _table(shown: Aggregate, out: Path) -> Dict:
    """Return the values of a table's Markdown page, with links, its chart and its figure."""
    about = {
        "slug": shown.table.name,
        "summary": differences.summary(shown),
        "chart": charts.intervals(shown.frame, title(shown.table.name)),
        "figure": figures.of_table(shown.table, out),
    }
    return numbers.link(shown, view(shown)) | about
