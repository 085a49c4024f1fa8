"""Pairs of rows: what of a gain is robustness, and which metrics of the draws see it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from support.synthetic_records import (
    LABELS,
    N,
    answers,
    cell_of,
    where,
    write_records,
    write_strict,
)

from atop.core.errors import AtopError
from atop.core.files import read_json, write_json
from atop.experiment import config, presets
from atop.experiment.tables import Table, table
from atop.reporting import quotes
from atop.reporting.aggregate import Aggregate, aggregate
from atop.reporting.notes import plain
from atop.reporting.render import render
from atop.results import pairs

RECORDED = {
    "rt1": ((-6.2, -9.0, -3.5), "+36.7"),
    "rt2": ((-1.6, -3.3, 0.2), "+7.8"),
    "rt3": ((1.8, 0.2, 3.5), "−2.7"),
}


def line(whole: Aggregate, column: str) -> dict[str, Any]:
    """The first pair's line of a column."""
    return dict(whole.pairs[whole.pairs["column"] == column].iloc[0])


def change_entry(results: Path, made: Table, row: str, entry: str, hits: Any) -> None:
    """Write (draws, N) right answers of an entry, and of its selection draws, into a record."""
    path = where(results, made.preset.name, cell_of(made, row), "strict", "defense")
    content = read_json(path)
    (one,) = (one for one in content["evaluations"] if one["attack"] == entry)
    one["predictions"] = answers(hits)
    write_json(path, content)


@pytest.mark.parametrize("transform", RECORDED)
def test_what_the_released_gains_are(transform: str) -> None:
    """AToP against none under PGD-20: accuracy rises, robustness does not, or hardly."""
    (value, low, high), paper = RECORDED[transform]
    rows = (f"{transform}-atop", f"{transform}-none")
    found = quotes.beyond("table7", "native_cpu", *rows, "pgd-20")
    points, *ends = (
        float(word.strip("[],")) for word in found.replace("−", "-").replace("+", "").split()
    )
    assert points == value
    assert ends == pytest.approx([low, high], abs=0.5)
    assert quotes.paper_beyond("table7", *rows, "pgd-20") == paper


def test_where_metrics_disagree_a_text_says_all_three() -> None:
    """What t buys under the worst case, the mean over draws alone sees."""
    text = quotes.gap("strict", "native_cpu", "rt2-atop", "no-transform", "worst")
    assert text.startswith("+3.8 [")
    assert "] (majority 0.0 [" in text
    assert "], all 0.0 [" in text
    assert text.endswith("])")
    assert "majority" not in quotes.gap("table7", "native_cpu", "rt2-atop", "rt2-none", "pgd-20")
    findings = quotes.read("strict")["native_cpu"].findings
    (found,) = (
        one
        for one in findings
        if one["name"] == "metrics-disagree"
        and one["rows"] == ["rt2-atop", "no-transform"]
        and "Worst case, mean" in one["text"]
    )
    assert found["text"].endswith(
        "the first row minus the second is above 0 by mean, undecided by majority, undecided by all"
    )


def test_a_text_cannot_quote_robustness_on_clean_images_or_unprinted_numbers() -> None:
    pair = ("rt2-atop", "rt2-none")
    with pytest.raises(AtopError, match="no attack and clean images of standard"):
        quotes.beyond("table7", "native_cpu", *pair, "standard")
    for wrong in (("rt2-atop", "rt2-continued", "pgd-20"), (*pair, "standard")):
        with pytest.raises(AtopError, match="no four numbers of rt2-atop"):
            quotes.paper_beyond("table7", *wrong)


@pytest.mark.usefixtures("small_config")
def test_robustness_is_the_gain_beyond_that_on_clean_images(tmp_path: Path) -> None:
    """Right answers of rt1-atop and rt1-none: 150 and 20 of 200 under FGSM, 180 and 170 clean."""
    made = write_records(tmp_path, "paper")
    whole = aggregate(table=made, results=tmp_path)
    found = line(whole, "fgsm")
    assert found["beyond"] == pytest.approx(65 - 5)
    assert found["beyond_low"] < 60 < found["beyond_high"]
    assert found["paper_beyond"] == pytest.approx((91.99 - 16.60) - (93.36 - 93.36))
    last = replace(made, columns=made.columns[::-1])
    again = pairs.paper_beyond(last, "rt1-atop", "rt1-none", made.column("fgsm"))
    assert again == found["paper_beyond"]  # wherever the column of clean images stands
    clean = line(whole, "standard")
    assert clean["difference"] == pytest.approx(5)
    assert pd.isna(clean["beyond"])
    assert pd.isna(found["majority"])  # of a single draw
    assert pairs.decisions(found) == {}
    texts = [path.read_text() for path in render(table=made, results=tmp_path, out=tmp_path / "o")]
    low, high = (plain(found[f"beyond_{end}"]) for end in ("low", "high"))
    assert f"<br>robustness +60.0 [{low}, {high}] (paper +75.4) |" in texts[1]
    parts = rf"\newline robustness +60.0\newline {{[}}{low}, {high}]\newline (paper +75.4)"
    assert parts in texts[2]
    for text in texts[1:3]:
        assert "Robustness: the gain under the attack" in text
        assert "Majority, all" not in text


@pytest.mark.usefixtures("small_config")
def test_clean_images_have_the_size_of_the_attacked(tmp_path: Path) -> None:
    """As where the ball is measured; where a suite has none of that size, its first."""
    made = table("strict", presets.get("paper"))
    pgd, worst = made.column("pgd"), made.column("worst-majority")
    found = pairs.clean(worst, made.preset)
    assert found
    assert (found.entries, found.metric) == (("clean",), "majority")
    path = config.folder() / "attacks.yaml"
    attacks = yaml.safe_load(path.read_text())
    attacks["attacks"]["own-size"] = {"method": "clean", "pixels": "native"}
    attacks["suites"]["strict"]["attacks"].append("own-size")
    path.write_text(yaml.safe_dump(attacks))
    config.forget()
    found = pairs.clean(pgd, made.preset)
    assert found
    assert found.entries == ("own-size",)  # pgd has pixels: native
    assert pairs.clean(made.column("clean"), made.preset) is None
    assert pairs.clean(made.column("cifar100"), made.preset) is None  # no clean images in its suite


@pytest.mark.usefixtures("small_config")
def test_metrics_that_disagree(tmp_path: Path) -> None:
    """Each example three of four draws correct against four of four: the votes are the same."""
    made = write_strict(tmp_path, "paper")
    every = np.ones((4, N), bool)
    most = every.copy()
    most[0] = False
    change_entry(tmp_path, made, "rt2-atop", "pgd", every)
    change_entry(tmp_path, made, "no-purifier", "pgd", most)
    whole = aggregate(table=made, results=tmp_path)
    found = line(whole, "pgd")
    assert [found[key] for key in ("difference", "majority", "all")] == [25, 0, 100]
    assert pairs.decisions(found) == {"mean": "above 0", "majority": "undecided", "all": "above 0"}
    assert pairs.disagree(found)
    (text,) = [one["text"] for one in whole.findings if "PGD" in one["text"]]
    assert "above 0 by mean, undecided by majority, above 0 by all" in text
    texts = [path.read_text() for path in render(table=made, results=tmp_path, out=tmp_path / "o")]
    assert "<br>majority 0.0 [−1.4, 1.4]<br>all +100.0 [" in texts[1]
    assert (
        r"\newline majority 0.0\newline {[}$-$1.4, 1.4]\newline all +100.0\newline {[}" in texts[2]
    )
    assert "Majority, all: the difference by these metrics" in texts[1]

    change_entry(tmp_path, made, "no-purifier", "pgd", ~every)
    whole = aggregate(table=made, results=tmp_path)
    found = line(whole, "pgd")
    assert [found[key] for key in ("difference", "majority", "all")] == [100, 100, 100]
    assert not pairs.disagree(found)
    assert not any("PGD" in one["text"] for one in whole.findings)


@pytest.mark.usefixtures("small_config")
def test_tries_are_a_column_of_their_own(tmp_path: Path) -> None:
    path = config.folder() / "tables" / "strict.yaml"
    spec = yaml.safe_load(path.read_text())
    spec["columns"] += [
        {"key": f"tries-{k}", "label": f"PGD, {k} tries", "attack": "pgd", "metric": f"tries-{k}"}
        for k in (2, 4, 5)
    ]
    path.write_text(yaml.safe_dump(spec))
    config.forget()
    made = write_strict(tmp_path, "paper")
    whole = aggregate(table=made, results=tmp_path)
    content = whole.record("rt2-atop", "pgd")
    assert content
    hits = (np.array(content["evaluations"][1]["predictions"]) == LABELS).sum(axis=0)
    frame = whole.frame[whole.frame["row"] == "rt2-atop"].set_index("column")
    two, every = frame.loc["tries-2"], frame.loc["tries-4"]
    assert two["measured"] == pytest.approx(100 * (hits * (hits - 1) / 12).mean())
    assert every["measured"] == pytest.approx(100 * (hits == 4).mean())
    assert frame.loc["pgd", "measured"] > two["measured"] > every["measured"]
    assert pd.isna(two["draw_sd"])
    assert line(whole, "tries-2")["difference"] > 0
    few = frame.loc["tries-5"]
    assert few["verdict"] == "not run"
    assert few["reason"].startswith("its record lacks enough draws of pgd for tries-5: `rm ")
