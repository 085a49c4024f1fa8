"""The smoke preset's Table 7: made if it is not there, and the method's effect must show in it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.latex import compiles
from support.smoke import snakemake

from atop import load_defense
from atop.core.files import ROOT
from atop.core.randomness import Randomness
from atop.core.values import number
from atop.experiment import paths, presets, tables
from atop.pipeline.assemble import evaluation_set
from atop.reporting.aggregate import Aggregate, aggregate

pytestmark = pytest.mark.full
ENDINGS = ("md", "tex", "csv", "diff.md")
OTHERS = ("table2", "table3", "table5", "table6", "table8", "figure4", "strict")
ELSEWHERE = ("table4", "table9")
"""Of data that is not in the repository."""
EXCUSES = (
    "preset smoke leaves it out",
    "preset smoke downloads nothing and lacks",
    "DiffPure",
    "its weights are not public",
)


def collected(name: str) -> Aggregate:
    return aggregate(table=tables.table(name, presets.get("smoke")), results=ROOT / "results")


@pytest.fixture(scope="module")
def whole() -> Aggregate:
    snakemake("tables/smoke/table7.md")
    return collected("table7")


@pytest.fixture(scope="module")
def others(whole: Aggregate) -> dict[str, Aggregate]:
    """The other tables of the preset."""
    snakemake("smoke")
    return {name: collected(name) for name in OTHERS}


def test_every_cell_was_measured_on_enough_pictures(whole: Aggregate) -> None:
    assert len(whole.frame) == len(whole.table.rows) * 6
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


@pytest.mark.parametrize("column", ["standard", "pgd-20"])
@pytest.mark.parametrize("control", ["dmae-none", "dmae-continued"])
def test_atop_is_better_with_the_other_purifier_too(
    others: dict[str, Aggregate], control: str, column: str
) -> None:
    more = tables.table("table7", presets.get("smoke"), extras=True)
    columns = more.columns[:1]
    rows = [row for row in more.rows if row.key.startswith("dmae")]
    snakemake(*{str(more.record(row, one)) for row in rows for one in columns})
    pairs = aggregate(table=more, results=ROOT / "results").pairs
    found = pairs.set_index(["first", "second", "column"]).loc[("dmae-atop", control, column)]
    assert found["low"] > 0


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
    record = whole.record("rt2-atop", "standard")
    assert record
    defense = load_defense(record["cell"]["id"], preset="smoke")
    images = evaluation_set(presets.get("smoke"), "cifar10_slice").take(slice(0, 128))
    draw = Randomness(record["seed"], "evaluate", images.index)
    with torch.no_grad():
        found = defense(images.inputs(32), draw).argmax(1)
        fresh = defense(images.inputs(32)).argmax(1)
    clean = record["evaluations"][0]["predictions"][0][:128]
    assert np.mean(found.numpy() == np.array(clean)) > 0.98  # rounding differs between processes
    assert 0.2 < float((fresh == images.labels).float().mean()) < 0.8


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_number_was_measured_or_says_why_not(
    others: dict[str, Aggregate], name: str
) -> None:
    frame = others[name].frame
    missing = frame[frame["measured"].isna()]
    assert missing["reason"].str.startswith(EXCUSES).all(), missing["reason"].unique()
    measured = frame.dropna(subset=["measured"])
    assert len(measured) >= 6
    assert set(measured["verdict"]) <= {"not comparable", "not in the paper"}
    assert all((ROOT / f"tables/smoke/{name}.{ending}").stat().st_size for ending in ENDINGS)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_dataset_is_passed_off_as_another(others: dict[str, Aggregate], name: str) -> None:
    whole = collected(name)
    dataset = {"table4": "cifar100", "table9": "imagenette"}[name]
    ours = whole.frame[whole.frame["cell"].str.startswith(dataset)]
    assert set(whole.frame["cell"]) == set(ours["cell"])
    if not paths.dataset(dataset).exists():
        assert ours["measured"].isna().all()
        assert ours["reason"].str.contains(f"lacks the dataset {dataset}").all()
    assert all((ROOT / f"tables/smoke/{name}.{ending}").stat().st_size for ending in ENDINGS)


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("name", [*OTHERS, *ELSEWHERE, "table7"])
@pytest.mark.latex
def test_it_compiles(name: str, tmp_path: Path) -> None:
    compiles(ROOT / f"tables/smoke/{name}.tex", out=tmp_path)


def test_a_stand_in_is_named_in_its_row(others: dict[str, Aggregate]) -> None:
    text = (ROOT / "tables/smoke/table3.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| AToP, RT2"))
    assert "here resnet" in row
    assert "WideResNet-28-10" in row
    assert "n/c" in row


def test_every_set_lies_in_its_ball(others: dict[str, Aggregate]) -> None:
    seen = set()
    for table in others.values():
        for record in table.records.values():
            for one in record["evaluations"]:
                budget, distance = one["budget"], one["distance"]
                if "eps" in budget:
                    key = {"Linf": "linf", "L2": "l2_max"}[budget["norm"]]
                    assert distance[key] <= number(budget["eps"]) * (1 + 1e-5) + 1e-6
                    seen.add(one["attack"])
    assert len(seen) >= 20


def test_the_strict_attacks_defeat_the_undefended_classifier(others: dict[str, Aggregate]) -> None:
    frame = others["strict"].frame
    bare = frame[frame["row"] == "undefended"].set_index("column")["measured"]
    assert bare["clean"] > 70
    assert bare["worst"] <= bare["pgd"] <= 10
    assert bare["noise"] > 50


def test_snakemakes_own_report_shows_everything_with_captions(
    others: dict[str, Aggregate], tmp_path: Path
) -> None:
    page = tmp_path / "snakemake.html"
    snakemake("smoke", options=("--report", str(page)))
    text = page.read_text()
    for category in ("Page", "Tables", "Differences", "Figures"):
        assert f'"{category}"' in text
    for caption in (
        "in one page without any request",
        "Measured minus paper, number by number",
        "Error bars are 95% intervals",
        "at each stage of the defence",
    ):
        assert caption in text
    assert "measured again" in text
