"""Released records render as they stand, and the README's numbers are theirs."""

from pathlib import Path

import pytest

from atop.aggregate import Aggregate, aggregate
from atop.files import ROOT
from atop.render import render
from atop.tables import table

RUN = ROOT / "results" / "released" / "2026-11-22-smoke"
README = " ".join((ROOT / "README.md").read_text().split())


@pytest.fixture(scope="module")
def whole() -> Aggregate:
    return aggregate(table=table("table7", "smoke", extras=True), results=RUN)


def test_released_records_render(tmp_path: Path) -> None:
    made = render(table=table("table7", "smoke"), results=RUN, out=tmp_path)
    assert "not run" not in made[1].read_text()


@pytest.mark.parametrize("first", ["rt2", "dmae"])
@pytest.mark.parametrize("second", ["none", "continued"])
@pytest.mark.parametrize("column", ["standard", "pgd-20"])
def test_the_readme_quotes_the_paired_differences(
    whole: Aggregate, first: str, second: str, column: str
) -> None:
    pairs = whole.pairs.set_index(["first", "second", "column"])
    found = pairs.loc[(f"{first}-atop", f"{first}-{second}", column)]
    quoted = f"{found['low']:.1f} to {found['high']:.1f}"
    assert f"{found['difference']:.1f}" in README
    assert quoted in README


def test_the_readme_quotes_the_accuracies(whole: Aggregate) -> None:
    everything = table("table7", "smoke", target="defense", extras=True)
    strict = aggregate(table=everything, results=RUN).frame
    for frame, row, column in (
        (whole.frame, "undefended", "standard"),
        (whole.frame, "rt2-atop", "pgd-20"),
        (strict, "rt2-atop", "pgd-20"),
        (whole.frame, "dmae-atop", "pgd-20"),
        (strict, "dmae-atop", "pgd-20"),
    ):
        line = frame[(frame["row"] == row) & (frame["column"] == column)].iloc[0]
        assert f"{line['measured']:.1f}%" in README
