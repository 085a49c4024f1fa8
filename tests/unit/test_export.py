"""Records as a long frame, and its columns as results/README.md documents them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from atop.__main__ import main
from atop.core.files import ROOT
from atop.results import export, records, released

FILE = ROOT / "results" / "released" / "strict.jsonl"


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The released strict records, by way of a Parquet file."""
    path = tmp_path_factory.mktemp("export") / "records.parquet"
    assert main(["export", str(FILE), "--to", str(path)]) == 0
    return pd.read_parquet(path)


def test_accuracies_of_the_frame_are_those_of_the_records(frame: pd.DataFrame) -> None:
    evaluated = frame[frame["draws"] == "evaluation"]
    for record in released.read(FILE).values():
        mine = evaluated[evaluated["cell"] == record["cell"]["id"]]
        mine = mine[mine["preset"] == record["preset"]]
        for run in record["evaluations"]:
            name, _, target = run["attack"].partition("@")
            part = mine[(mine["attack"] == name) & (mine["target"] == (target or record["target"]))]
            right = np.asarray(run["predictions"]) == np.asarray(record["labels"])
            assert len(part) == right.size
            assert part["correct"].mean() == pytest.approx(right.mean())
            assert part.groupby("draw")["correct"].mean().tolist() == right.mean(1).tolist()


def test_selection_draws_are_apart(frame: pd.DataFrame) -> None:
    (record, *_) = released.read(FILE).values()
    (run, *_) = record["evaluations"]
    part = frame[(frame["cell"] == record["cell"]["id"]) & (frame["preset"] == record["preset"])]
    part = part[(part["attack"] == run["attack"]) & (part["draws"] == "selection")]
    assert part["predicted"].tolist() == np.ravel(run["selection"]["predictions"]).tolist()


def test_every_column_is_documented(frame: pd.DataFrame) -> None:
    text = (ROOT / "results" / "README.md").read_text().partition("## Export records")[2]
    rows = re.findall(r"^\| (`[^|]+) \|", text, flags=re.MULTILINE)
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert documented == list(frame.columns) == list(export.COLUMNS)


def test_a_record_file_is_read_as_one_of_many(tmp_path: Path) -> None:
    (key, record), *_ = released.read(FILE).items()
    from atop.core.files import write_json

    path = tmp_path / "record.json"
    write_json(path, record)
    assert export.read([path]) == [records.check(record, where=str(key))]


def test_without_records_the_command_says_so(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--to", "r.parquet"]) == 2
    assert "results: no records; --released has those" in capsys.readouterr().err
    assert not (workdir / "r.parquet").exists()
