"""The smoke preset's Table 7: made if it is not there, and the method's effect must show in it."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from atop import config
from atop.aggregate import Aggregate, aggregate
from atop.files import ROOT

pytestmark = pytest.mark.slow
ENDINGS = ("md", "tex", "csv", "diff.md")


@pytest.fixture(scope="module")
def whole() -> Aggregate:
    environment = {name: value for name, value in os.environ.items() if "ATOP" not in name}
    command = [
        "--cores",
        "2",
        "--quiet",
        "all",
        "--rerun-incomplete",
        "--",
        "tables/smoke/table7.md",
    ]
    subprocess.run(
        [Path(sys.executable).parent / "snakemake", *command], cwd=ROOT, check=True, env=environment
    )
    table = config.table("table7", "smoke")
    return aggregate(table=table, results=ROOT / "results", target="classifier")


def test_every_cell_was_measured_on_enough_pictures(whole: Aggregate) -> None:
    assert len(whole.frame) == 8 * 6
    assert whole.frame["measured"].notna().all()
    assert (whole.frame["n"] >= 256).all()
    assert all((ROOT / f"tables/smoke/table7.{ending}").stat().st_size for ending in ENDINGS)


def test_the_undefended_classifier_works_and_falls(whole: Aggregate) -> None:
    bare = whole.frame[whole.frame["row"] == "undefended"].set_index("column")["measured"]
    assert bare["standard"] > 80
    assert bare["pgd-20"] <= 1


@pytest.mark.parametrize("column", ["standard", "pgd-20"])
@pytest.mark.parametrize("control", ["rt2-none", "rt2-continued"])
def test_atop_is_better_than_its_controls(whole: Aggregate, control: str, column: str) -> None:
    pairs: pd.DataFrame = whole.pairs.set_index(["first", "second", "column"])
    assert pairs.loc[("rt2-atop", control, column), "low"] > 0


def test_every_row_was_handed_the_same_pictures(whole: Aggregate) -> None:
    handed = {
        (one["attack"], (one["adversarial"] or {}).get("sha256"))
        for record in whole.records.values()
        for one in record["evaluations"]
    }
    assert len(handed) == 6
