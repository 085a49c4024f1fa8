"""The strict table in one frame: several draws, worst cases, curves, numbers left out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.aggregates import line, strict
from support.synthetic_records import N, cell_of, where, write_strict

from atop.core.files import read_json, write_json
from atop.experiment.settings.attacks import AttackSpec
from atop.reporting.aggregate import _position, aggregate

pytestmark = pytest.mark.usefixtures("small_config")


def test_metrics_of_several_draws(tmp_path: Path) -> None:
    whole = strict(tmp_path)
    mean, vote, every = (
        line(whole, "rt2-atop", key) for key in ("clean", "clean-majority", "clean-all")
    )
    assert [one["metric"] for one in (mean, vote, every)] == ["mean", "majority", "all"]
    assert (mean["draws"], mean["n"]) == (4, N)
    found = whole.record("rt2-atop", "clean")
    assert found
    hits = np.array(found["evaluations"][0]["predictions"]) == np.array(found["labels"])
    assert mean["measured"] == pytest.approx(100 * hits.mean())
    assert mean["draw_sd"] == pytest.approx(100 * hits.mean(axis=1).std(ddof=1))
    assert every["measured"] == pytest.approx(100 * hits.all(axis=0).mean())
    assert pd.isna(vote["draw_sd"])
    assert pd.isna(every["draw_sd"])
    assert every["measured"] < vote["measured"]
    known = line(whole, "rt2-atop", "fixed")
    assert known["draws"] == 1
    assert pd.isna(known["draw_sd"])


def test_a_worst_case_names_its_attacks_and_lies_below_each(tmp_path: Path) -> None:
    whole = strict(tmp_path)
    worst = line(whole, "rt2-atop", "worst")
    assert worst["attack"] == "clean;pgd;pgd@classifier;square"
    assert (
        worst["budget"] == "for each image the worst of clean images, PGD, pgd@classifier, Square"
    )
    singles = [line(whole, "rt2-atop", key)["measured"] for key in ("clean", "pgd", "square")]
    assert worst["measured"] < min(singles)
    assert worst["target"] == "defense"


def test_what_a_preset_leaves_out(tmp_path: Path) -> None:
    whole = strict(tmp_path, "smoke")
    single, worst = line(whole, "rt2-atop", "square"), line(whole, "rt2-atop", "worst")
    assert (single["verdict"], single["reason"]) == ("not run", "preset smoke leaves it out")
    assert worst["attack"] == "clean;pgd;pgd@classifier"
    assert worst["budget"].endswith("PGD, pgd@classifier; preset smoke leaves out Square")
    assert worst["measured"] > 0


def test_numbers_that_nobody_has_say_why(tmp_path: Path) -> None:
    whole = strict(tmp_path)
    assert line(whole, "wrn28", "pgd")["reason"].startswith(
        "no record yet; this command makes it: "
    )
    assert line(whole, "foreign", "pgd")["reason"] == "its code is not public"
    assert line(whole, "foreign", "pgd")["cell"] == ""
    assert line(whole, "rt2-atop", "cifar100")["reason"].startswith("no record yet; ")
    dmae = whole.frame[whole.frame["row"] == "dmae"]
    assert set(dmae["verdict"]) == {"not run"}
    assert set(dmae["reason"]) == {"preset paper leaves it out"}
    smoke = strict(tmp_path / "other", "smoke")
    assert line(smoke, "dmae", "pgd")["reason"].startswith("no record yet; ")
    assert line(smoke, "dmae", "pgd")["cell"].startswith("cifar10_slice-resnet_small-dmae-scratch-")
    assert line(smoke, "wrn28", "pgd")["measured"] == line(smoke, "rt2-atop", "pgd")["measured"]


def test_a_record_without_selection_draws_says_how_to_get_them(tmp_path: Path) -> None:
    made = write_strict(tmp_path, "paper")
    path = where(tmp_path, "paper", cell_of(made, "rt2-atop"), "strict", "defense")
    content = read_json(path)
    del content["evaluations"][3]["selection"]
    write_json(path, content)
    whole = aggregate(table=made, results=tmp_path)
    reason = line(whole, "rt2-atop", "worst")["reason"]
    assert reason.startswith("its record lacks selection draws of square: `rm results/paper/")
    assert reason.endswith("strict-defense.json`")
    assert line(whole, "rt2-atop", "square")["measured"] > 0
    pairs = whole.pairs.set_index("column")["reason"]
    assert (pairs["worst"], pairs["square"]) == ("not run", "")


def test_an_attack_that_found_nothing_says_what_it_repeats(tmp_path: Path) -> None:
    made = write_strict(tmp_path, "paper")
    path = where(tmp_path, "paper", cell_of(made, "rt2-atop"), "strict", "defense")
    content = read_json(path)
    by = {one["attack"]: one for one in content["evaluations"]}
    assert line(aggregate(table=made, results=tmp_path), "rt2-atop", "square")["repeats"] == ""
    by["square"]["predictions"] = by["pgd"]["predictions"]
    write_json(path, content)
    whole = aggregate(table=made, results=tmp_path)
    assert line(whole, "rt2-atop", "square")["repeats"] == "PGD"
    assert line(whole, "no-purifier", "square")["repeats"] == ""
    assert line(whole, "rt2-atop", "pgd")["repeats"] == ""
    assert line(whole, "rt2-atop", "worst")["repeats"] == ""  # as PGD, if it picks only that
    assert line(whole, "dmae", "square")["repeats"] == ""


def test_pairs_of_votes_have_a_p_and_of_means_none(tmp_path: Path) -> None:
    pairs = strict(tmp_path).pairs.set_index("column")
    assert pairs.loc["worst", "difference"] > 0
    assert pd.isna(pairs.loc["worst", "p"])
    assert 0 <= pairs.loc["worst-majority", "p"] <= 1
    assert 0 <= pairs.loc["fixed", "p"] <= 1


def test_points_of_a_curve(tmp_path: Path) -> None:
    whole = strict(tmp_path)
    point = line(whole, "rt2-atop", "steps-10")
    assert point["curve"] == "steps"
    assert point["x"] == 200  # as the record says, whatever the config would have run
    assert line(whole, "rt2-atop", "pgd")["curve"] == ""
    assert pd.isna(line(whole, "rt2-atop", "pgd")["x"])


@pytest.mark.parametrize(
    ("curve", "x"),
    [("eot", 20.0), ("steps", 50.0), ("joint", 1000.0), ("eps", 16.0), ("noise", 16.0)],
)
def test_a_point_lies_where_its_budget_is(tmp_path: Path, curve: str, x: float) -> None:
    column = replace(strict(tmp_path).table.column("steps-10"), curve=curve)
    run = {"pgd": AttackSpec(method="pgd", eot=20, steps=50, eps="16/255")}
    assert _position(column, run) == pytest.approx(x)
