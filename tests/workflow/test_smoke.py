"""The smoke preset's Table 7: made if it is not there, and the method's effect must show in it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from atop import config, load_defense
from atop.aggregate import Aggregate, aggregate
from atop.evaluate import test_pictures as pictures_of
from atop.files import ROOT
from atop.randomness import Randomness

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


def test_a_trained_defence_is_one_call_away(
    whole: Aggregate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it repeats what the record says of the clean pictures."""
    monkeypatch.chdir(ROOT)
    record = whole.records["rt2-atop"]
    defense = load_defense(record["cell"]["id"], preset="smoke")
    pictures = pictures_of("smoke", "cifar10_slice").take(slice(0, 128))
    draw = Randomness(record["seed"], "evaluate", pictures.index)
    with torch.no_grad():
        found = defense(pictures.inputs(32), draw).argmax(1)
        fresh = defense(pictures.inputs(32)).argmax(1)
    clean = record["evaluations"][0]["predictions"][0][:128]
    assert np.mean(found.numpy() == np.array(clean)) > 0.98  # rounding differs between processes
    assert 0.2 < float((fresh == pictures.labels).float().mean()) < 0.8
