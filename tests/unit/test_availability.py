"""What a cell takes from elsewhere, whether it is here, and how a table gets it beforehand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from atop.__main__ import main
from atop.experiment import availability, paths, presets
from atop.experiment.cells import Cell
from atop.experiment.tables import table
from atop.pipeline import prefetch

Change = Callable[[str, dict[str, Any]], None]
ATOP = {"purifier": "deepfill", "transform": "rt2", "finetune": "adversarial"}
GOWAL = Cell(dataset="cifar10_slice", classifier="gowal2020_wrn28")
GOWALS = "robustbench/cifar10/Linf/Gowal2020Uncovering_28_10_extra.pt"


def hundred(**words: str) -> Cell:
    return Cell(**{"dataset": "cifar100", "classifier": "resnet_small", **ATOP, **words})


def mosaics(folder: Path) -> Path:
    """A folder that looks as if it held CIFAR-100."""
    place = folder / "cifar100"
    place.mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(place / "train-0.webp")
    np.save(place / "train-labels.npy", np.zeros(1, np.uint8))
    return folder


def test_a_preset_that_downloads_nothing_says_what_a_cell_lacks(
    workdir: Path, tmp_path: Path
) -> None:
    cell = hundred(init="scratch")
    assert availability.missing(cell, presets.get("smoke"), None) == (
        "preset smoke downloads nothing and lacks the dataset cifar100; "
        "--config files=FOLDER names a folder that has them"
    )
    assert availability.missing(cell, presets.get("native"), None) is None
    assert (
        availability.missing(
            hundred(dataset="cifar10_slice", init="scratch"), presets.get("smoke"), None
        )
        is None
    )
    (tmp_path / "empty").mkdir()
    assert availability.missing(cell, presets.get("smoke"), tmp_path / "empty") is not None
    assert availability.missing(cell, presets.get("smoke"), mosaics(tmp_path / "files")) is None
    about = paths.dataset("cifar100")
    about.parent.mkdir(parents=True)
    about.touch()
    assert availability.missing(cell, presets.get("smoke"), None) is None


def test_public_weights_count_where_they_lie(workdir: Path, tmp_path: Path) -> None:
    said = availability.missing(GOWAL, presets.get("smoke"), None)
    assert said
    assert "downloads nothing and lacks public weights; " in said
    two = availability.missing(hundred(init="places2"), presets.get("smoke"), None)
    assert two
    assert "lacks the dataset cifar100 and public weights; " in two
    mine = tmp_path / "files" / GOWALS.removeprefix("robustbench/")
    mine.parent.mkdir(parents=True)
    mine.touch()
    assert availability.missing(GOWAL, presets.get("smoke"), tmp_path / "files") is None
    here = paths.CHECKPOINTS / GOWALS
    here.parent.mkdir(parents=True)
    here.touch()
    assert availability.missing(GOWAL, presets.get("smoke"), None) is None


def test_a_table_plans_what_is_at_hand_and_explains_the_rest(workdir: Path, tmp_path: Path) -> None:
    four = table("table4", presets.get("smoke"))
    assert four.records() == []
    row, column = four.row("ours-wrn28"), four.column("autoattack-linf")
    assert "lacks the dataset cifar100" in (four.missing(row, column) or "")
    files = mosaics(tmp_path / "files")
    here = table("table4", presets.get("smoke"), files=files)
    assert here.missing(row, column) is None
    assert {path.parent.name for path in here.records()} == {
        "cifar100-resnet_small-undefended",
        "cifar100-resnet_small-deepfill-scratch-rt2-adversarial-paper-s0",
    }
    others = here.missing(here.row("pang2022-wrn28"), column)
    assert "lacks public weights" in (others or "")
    assert len(table("table4", presets.get("paper")).records()) == 9


def test_extra_rows_come_when_they_are_asked_for() -> None:
    usual, more = (
        table("table3", presets.get("paper")),
        table("table3", presets.get("paper"), extras=True),
    )
    added = [row.key for row in more.rows[len(usual.rows) :]]
    assert added == [
        "rebuffi2021-wrn70", "wang2023-wrn28", "wang2023-wrn70", "amini2024-wrn70",
        "ours-wrn70-exchanged",
    ]  # fmt: skip
    assert all(row.control for row in more.rows[len(usual.rows) :])
    assert set(usual.records()) < set(more.records())


def test_what_a_table_needs_is_listed_once() -> None:
    found = prefetch.needs(table("table2", presets.get("paper")))
    names = [need.name for need in found]
    assert len(names) == len(set(names))
    assert [need.name for need in found if need.kind == "dataset"] == ["cifar10"]
    assert {GOWALS, "deepfill-places2.pth", "diffpure-wrn-70-16.pt"} < set(names)
    assert len(names) == 12
    assert "deepfill-places2.pth" not in [
        need.name for need in prefetch.needs(table("table2", presets.get("paper"), init="scratch"))
    ]
    assert len(prefetch.needs(table("table2", presets.get("paper"), extras=True))) == 17
    assert prefetch.needs(table("table7", presets.get("smoke"))) == []
    both = [
        need.name
        for need in prefetch.needs(table("table5", presets.get("paper")))
        if need.kind[0] == "d"
    ]
    assert both == ["cifar10", "cifar100"]


def test_prefetching_lists_and_names_everything_that_failed(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prefetch", "table9", "--list"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split() for line in said] == [
        ["missing", "dataset", "imagenette"],
        ["missing", "weights", "~16", "MB", "deepfill-places2.pth"],
    ]
    assert main(["prefetch", "table9", "--offline"]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines() == said
    assert len(err.splitlines()) == 1
    assert err.startswith("atop prefetch: error: 2 of its files are missing: ")
    assert "ImageNette" in err
    assert "deepfill-places2" in err


def test_prefetching_takes_what_the_folder_has(
    workdir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    (tmp_path / "files").mkdir()
    torch.save({"G": {"weight": torch.zeros(3)}}, tmp_path / "files" / "states_pt_places2.pth")
    options = ["--offline", "--folder", str(tmp_path / "files")]
    assert main(["prefetch", "table9", "--list", *options]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("in folder  weights")
    assert main(["prefetch", "table9", "--list", "--folder", "/no/such"]) == 2
    assert "/no/such: no such folder" in capsys.readouterr().err
    assert main(["prefetch", "table9", *options]) == 2
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines() if "weights " in line] == ["here"]
    assert "1 of its files are missing: ImageNette" in err
    assert paths.checkpoint("deepfill-places2").exists()
