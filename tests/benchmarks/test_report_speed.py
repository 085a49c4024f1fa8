"""Tables from a full-size result set: every record of preset paper, made up."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.suite_records import write_suite

from atop.experiment import config, presets
from atop.experiment.tables import Table, table
from atop.reporting.aggregate import aggregate
from atop.reporting.render import render

pytestmark = pytest.mark.benchmark(group="Suite")


@pytest.fixture(scope="module")
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Tables and the folder with all their records; one table without measurement."""
    results = tmp_path_factory.mktemp("results")
    whole = request.config.getoption("benchmark_enable")
    names = config.tables() if whole else ["table7"]
    tables = [table(name, presets.get("paper")) for name in names]
    for made in tables:
        done = set()
        for row, column in made.numbers():
            path = made.record(row, column)
            if path and path not in done:
                write_suite(results, made, row.key, rate=0.6, column=column.key, n=512)
                done.add(path)
    return tables, results


def test_aggregate(measure: Any, full: tuple[list[Table], Path]) -> None:
    tables, results = full
    records = len(list(results.rglob("*.json")))
    what = f"aggregate all tables, {records} records of 512 images"
    found = measure(
        lambda: [aggregate(table=one, results=results) for one in tables], what, rounds=1
    )
    assert [one.frame["measured"].notna().any() for one in found] == [True] * len(tables)


def test_render(measure: Any, full: tuple[list[Table], Path], tmp_path: Path) -> None:
    tables, results = full
    what = "aggregate and render all tables as CSV, Markdown and LaTeX"
    measure(
        lambda: [render(table=one, results=results, out=tmp_path) for one in tables], what, rounds=1
    )
    for one in tables:
        shown = pd.read_csv(tmp_path / f"{one.name}.csv")["measured"].count()
        assert shown == sum(one.record(row, column) is not None for row, column in one.numbers())
