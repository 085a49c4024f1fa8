"""The paper's numbers, against counts and sums read from the paper's text by other means.

SUMS holds per column the plain sum and the sum of (position of the row) x (value); the second
notices two values that changed places.
"""

from decimal import Decimal

import pandas as pd
import pytest

from atop.core.files import ROOT
from atop.experiment import presets
from atop.experiment.tables import table

# fmt: off
HEADER = [
    "row", "method", "classifier", "transform", "atop", "extra_data", "column", "value", "n",
    "source",
]
# fmt: on
SOURCES = {
    "atop-subset": "512",
    "diffpure-subset": "512",
    "robustbench-full": "10000",
    "perceptual-advex-full": "10000",
    "seeds-average": "",
    "cited": "",
    "": "",
}
ROWS = {2: 12, 3: 9, 4: 7, 5: 4, 6: 9, 7: 6, 8: 6, 9: 6}
SUMS = {
    2: {"standard": ("1071.98", "7019.58"), "autoattack-linf": ("804.26", "5362.12")},
    3: {"standard": ("825.00", "4140.95"), "autoattack-l2": ("700.49", "3548.90")},
    4: {"standard": ("508.73", "2122.56"), "autoattack-linf": ("268.06", "1143.02")},
    5: {
        "cifar10-autoattack-linf": ("236.33", "633.20"),
        "cifar10-autoattack-l2": ("254.71", "688.93"),
        "cifar100-autoattack-linf": ("161.15", "409.81"),
    },
    6: {
        "standard": ("779.7", "3872.5"),
        "autoattack-linf": ("325.7", "2007.4"),
        "autoattack-l2": ("310.8", "2009.6"),
        "stadv": ("313.9", "2021.8"),
    },
    7: {
        "standard": ("516.94", "1752.80"),
        "fgsm": ("392.38", "1490.43"),
        "pgd-10": ("344.15", "1433.84"),
        "pgd-20": ("334.96", "1410.34"),
        "pgd-1000": ("335.55", "1412.52"),
        "cw-100": ("437.31", "1650.81"),
    },
    8: {
        "standard": ("516.94", "1752.80"),
        "pgd-10": ("259.76", "977.72"),
        "pgd-20": ("237.11", "904.68"),
    },
    9: {
        "standard": ("507.80", "1723.01"),
        "fgsm": ("344.34", "1390.24"),
        "pgd-10": ("349.99", "1452.51"),
        "pgd-20": ("344.93", "1428.16"),
        "pgd-1000": ("345.50", "1422.43"),
        "cw-100": ("463.08", "1640.80"),
    },
}
OFF_GRID = {
    (3, "ours-wrn70", "autoattack-l2", "81.35"),
    (4, "ours-wrn70", "autoattack-linf", "44.44"),
    (5, "ughini2022-none", "cifar10-autoattack-l2", "63.69"),
    (5, "ughini2022-none", "cifar100-autoattack-linf", "38.89"),
    (6, "ours", "autoattack-linf", "71.2"),
    (7, "rt3-atop", "standard", "80.02"),
    (8, "rt3-atop", "standard", "80.02"),
}


def paper(number: int) -> pd.DataFrame:
    path = ROOT / "tables" / "paper" / f"table{number}.csv"
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@pytest.mark.parametrize("number", ROWS)
def test_counts_and_sums(number: int) -> None:
    frame = paper(number)
    assert list(frame.columns) == HEADER
    assert list(frame["column"].unique()) == list(SUMS[number])
    assert not frame.duplicated(["row", "column"]).any()
    for column, (plain, weighted) in SUMS[number].items():
        values = [Decimal(value) for value in frame.loc[frame["column"] == column, "value"]]
        assert len(values) == ROWS[number]
        assert sum(values) == Decimal(plain)
        assert sum(place * value for place, value in enumerate(values, 1)) == Decimal(weighted)


@pytest.mark.parametrize("number", ROWS)
def test_sources(number: int) -> None:
    frame = paper(number)
    assert [SOURCES[source] for source in frame["source"]] == list(frame["n"])
    assert set(frame["atop"]) <= {"yes", "no", ""}
    assert set(frame["extra_data"]) <= {"yes", "no", ""}


def test_corners() -> None:
    frame = paper(7).set_index(["row", "column"])["value"]
    assert frame["rt1-none", "fgsm"] == "16.60"
    assert frame["rt1-atop", "pgd-20"] == "36.72"
    assert frame["rt3-none", "standard"] == "75.98"
    assert frame["rt3-atop", "cw-100"] == "76.56"
    assert paper(6).set_index(["row", "column"])["value"]["at-all", "stadv"] == "40.0"


def test_own_numbers_are_multiples_of_one_in_512_but_for_the_listed_ones() -> None:
    grid = {2: set(), 1: set()}  # type: dict[int, set[str]]
    for count in range(513):
        for digits, known in grid.items():
            exact = Decimal(count) * 100 / 512
            for nudge in (Decimal("-1e-9"), Decimal("1e-9")):  # halves may round either way
                known.add(f"{max(exact + nudge, Decimal(0)):.{digits}f}")
    off = set()
    for number in ROWS:
        frame = paper(number)
        for line in frame[frame["source"] == "atop-subset"].to_dict("records"):
            if line["value"] not in grid[len(line["value"].split(".")[1])]:
                off.add((number, line["row"], line["column"], line["value"]))
    assert off == OFF_GRID


def test_gains_that_the_text_names() -> None:
    """Sections 4.2 and 4.3 name differences; Table 5's 16.87 is the known typo (ledger B29)."""
    two, five, six = (
        paper(number).set_index(["row", "column"])["value"].map(Decimal) for number in (2, 5, 6)
    )
    robust = "autoattack-linf"
    assert two["ours-wrn28", robust] - two["nie2022-wrn28", robust] == Decimal("2.21")
    assert two["ours-wrn70", robust] - two["nie2022-wrn70", robust] == Decimal("5.08")
    for column, gains in {
        "cifar10-autoattack-linf": ("14.45", "13.28"),
        "cifar10-autoattack-l2": ("20.31", "16.78"),
    }.items():
        for row, gain in zip(("wu2023", "ughini2022"), gains, strict=True):
            assert five[f"{row}-atop", column] - five[f"{row}-none", column] == Decimal(gain)
    for column, gain in {"autoattack-linf": "1.2", "autoattack-l2": "2.5", "stadv": "1.4"}.items():
        assert six["ours", column] - six["diffpure", column] == Decimal(gain)


@pytest.mark.parametrize("number", sorted(ROWS))
def test_every_row_of_the_paper_keeps_its_row_here(number: int) -> None:
    printed = paper(number)
    made = table(f"table{number}", presets.get("paper"))
    rows = [row.key for row in made.rows if not row.control]
    assert rows == list(dict.fromkeys(printed["row"]))
    assert set(printed["column"]) <= {column.key for column in made.columns}
    assert all(row.cell or row.cited for row in made.rows)
