"""The registry of public weights: whole, consistent with the packages that it names, and listed."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from atop.__main__ import main
from atop.core.errors import AtopError
from atop.core.files import ROOT, sha256
from atop.experiment import config, paths, presets, weight_files
from atop.pipeline.checkpoints import download, inventory, robustbench_files

Change = Callable[[str, dict[str, Any]], None]
ROWS = config.checkpoints()
ROBUSTBENCH = [
    name for name, row in ROWS.items() if weight_files.ROBUSTBENCH.fullmatch(row.file or "")
]
STANDARD = paths.CHECKPOINTS / "robustbench/cifar10/Linf/Standard.pt"


def test_it_holds_what_the_tables_need() -> None:
    prefixes = ("deepfill", "dmae", "diffpure", "perceptual-advex", "robustbench", "resnet18")
    counts = {prefix: sum(name.startswith(prefix) for name in ROWS) for prefix in prefixes}
    assert counts == {
        "deepfill": 1,
        "dmae": 2,
        "diffpure": 2,
        "perceptual-advex": 6,
        "robustbench": 31,
        "resnet18": 1,
    }


def test_a_folder_that_nobody_has_described_is_listed_and_never_loaded(change: Change) -> None:
    """The folder of Google Drive that the authors' code names."""
    row = ROWS["atop-authors"]
    assert (row.google_drive_folder, row.content) == (
        "17qP_PWL1VXTnrZoRWhaESjvcIqkggArg",
        "unknown",
    )
    assert row.sha256 is None
    assert row.licence == "none stated"
    (line,) = (line for line in inventory.listing().splitlines() if line.startswith("atop-authors"))
    assert re.split(r"  +", line)[1:3] == ["?", "no"]
    assert "content unknown" in line
    for offline in (False, True):
        with pytest.raises(
            AtopError, match=r"the files of the folder 17qP_\S+ .*drive\.google\.com"
        ):
            download.fetch("atop-authors", offline=offline)
    change("classifiers", {"resnet18": {"weights": {"cifar10": ["atop-authors"]}}})
    with pytest.raises(AtopError, match="none is fetched or loaded"):
        paths.classifier(presets.get("paper"), "cifar10", "resnet18")


@pytest.mark.parametrize("name", ROBUSTBENCH)
def test_ids_are_those_of_the_installed_robustbench(name: str) -> None:
    row = ROWS[name]
    known = robustbench_files.row(row.file)
    assert known.google_drive == row.google_drive
    parts = row.file.replace(".pt_m", "-m").removesuffix(".pt").lower()
    assert name == parts.replace("/", "-")


def test_every_classifier_finds_its_weights() -> None:
    for name, row in config.classifiers().items():
        for files in row.weights.values():
            assert set(files) <= set(ROWS), name


def test_no_two_rows_share_a_file_or_a_name_in_the_users_folder() -> None:
    rows = [row for row in ROWS.values() if row.file]
    files = [row.file for row in rows]
    assert len(set(files)) == len(files)
    called = [name for row in rows for name in weight_files.names(row)]
    for name in called:
        assert sum(f"/{other}".endswith(f"/{name}") for other in called) == 1, name


def test_the_classifier_that_a_package_ships_is_verified_in_its_place() -> None:
    path = download.fetch("resnet18-pyautoattack", offline=True)
    assert "site-packages" in path.parts
    assert sha256(path) == ROWS["resnet18-pyautoattack"].sha256


PACKAGE = {"google_drive": ..., "file": ..., "also": ..., "package": "a/b"}
FOLDER = {"google_drive": ..., "google_drive_folder": "ID", "member": "a/b.pt"}
UNKNOWN = {**FOLDER, "member": ..., "file": ..., "also": ..., "content": "unknown"}


@pytest.mark.parametrize(
    "changes", [PACKAGE, FOLDER, UNKNOWN, {"bytes": None}, {"member": "a/b_c-1.pt"}]
)
def test_a_row_that_makes_sense(change: Change, changes: dict[str, Any]) -> None:
    change("checkpoints", {"deepfill-places2": changes})
    assert config.checkpoints()


def test_a_name_that_makes_no_file_name(change: Change) -> None:
    change("checkpoints", {"deep fill": ROWS["deepfill-places2"].given()})
    with pytest.raises(AtopError, match=r"checkpoints\.yaml: .*deep fill"):
        config.checkpoints()


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "https://x/y"},  # two sources
        {"google_drive": ...},  # none
        {"package": "a/b"},
        {"file": ...},
        {"file": "../x"},
        {"file": "/x"},
        {**FOLDER, "member": ...},  # which of its files?
        {"content": "unknown"},  # of a file
        {**UNKNOWN, "file": "x"},
        {**UNKNOWN, "member": "x"},
        {**UNKNOWN, "also": ["x"]},
        {**UNKNOWN, "content": "weights"},
        {**UNKNOWN, "content": ...},
        {**PACKAGE, "file": "x"},
        {**PACKAGE, "member": "x"},
        {**PACKAGE, "also": ["x"]},
        {**PACKAGE, "package": "../x"},
        {**FOLDER, "google_drive_folder": "a/b"},
        {**FOLDER, "member": "../x"},
        {"google_drive": "https://drive.google.com/file/d/ID"},
        {"google_drive": ..., "url": "ftp://x/y"},
        {"also": ["../x"]},
        {"also": "x"},
        {"sha256": "abc"},
        {"sha256": ...},
        {"bytes": "many"},
        {"bytes": 0},
        {"estimate": 0},
        {"about": ...},
        {"about": 1},
        {"licence": ...},
        {"licence": 1},
        {"otherwise": 1},
        {"license": "MIT"},
    ],
)
def test_a_row_that_makes_no_sense_is_refused(change: Change, changes: dict[str, Any]) -> None:
    change("checkpoints", {"deepfill-places2": changes})
    with pytest.raises(AtopError, match=r"checkpoints\.yaml: deepfill-places2") as found:
        config.checkpoints()
    assert "\n" not in str(found.value)


def test_a_file_of_no_row() -> None:
    assert download.named("dmae-base.pth") == "dmae-imagenet"
    with pytest.raises(AtopError, match=r"no row has the file '0'; nearest are \S+, \S+, \S+$"):
        download.named("0")


# Models of RobustBench without a row.


def test_a_model_without_a_row_is_found_in_the_package() -> None:
    row = robustbench_files.row("robustbench/cifar10/Linf/Carmon2019Unlabeled.pt")
    assert row.google_drive == "15tUx-gkZMYx7BfEOw1GY5OKC-jECIsPQ"
    assert row.sha256 is None
    assert paths.checkpoint_of(row) == paths.CHECKPOINTS / row.file


@pytest.mark.parametrize(
    "file",
    ["cifar10/L1/Standard.pt", "cifar10/Linf/A.pt_m10.pt", "cifar10/Linf/A.pt.json"],
)
def test_what_is_no_file_of_robustbench(file: str) -> None:
    assert robustbench_files.row(f"robustbench/{file}") is None
    with pytest.raises(
        AtopError, match=rf"no row has the file 'robustbench/{file}'; nearest are r"
    ):
        download.named(f"robustbench/{file}")


def test_a_model_against_corruptions_is_found_too() -> None:
    file = "robustbench/cifar10/corruptions/Hendrycks2020AugMix_WRN.pt"
    assert robustbench_files.row(file).google_drive == "1wy7gSRsUZzCzj8QhmTbcnwmES_2kkNph"
    assert re.fullmatch(weight_files.pattern(), file)


def test_a_model_of_which_robustbench_has_no_weights() -> None:
    with pytest.raises(AtopError, match=r"does not say where the weights of Deb\S+XCiT-S12 are"):
        robustbench_files.row("robustbench/cifar10/Linf/Debenedetti2022Light_XCiT-S12.pt")


def test_what_the_users_folder_holds_for_a_file(tmp_path: Path) -> None:
    """Its archive, or under RobustBench's names a model without a row."""
    for name in ("perceptual-advex-checkpoints.zip", "cifar10/Linf/Carmon2019Unlabeled.pt"):
        mine = tmp_path / name
        mine.parent.mkdir(parents=True, exist_ok=True)
        mine.touch()
    advex = paths.checkpoint("perceptual-advex-standard")
    assert (
        weight_files.checkpoint_at(advex, tmp_path) == tmp_path / "perceptual-advex-checkpoints.zip"
    )
    assert (
        weight_files.checkpoint_at(STANDARD.with_name("Carmon2019Unlabeled.pt"), tmp_path) == mine
    )
    assert weight_files.checkpoint_at(STANDARD, tmp_path) is None


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("cifar10/Linf/Carmon2018Unlabeled.pt", "nearest are Carmon2019Unlabeled"),
        ("cifar100/L2/Standard.pt", "has no Standard for cifar100 and L2; nearest are none"),
        ("cifar10/Linf/0.pt", r"nearest are \w+, \w+, \w+$"),
        ("cifar10/Linf/Standard.pt_m0.pt", "Standard is one file"),
        ("cifar100/Linf/Bai2023Improving_edm.pt", "its files end in _m0.pt"),
        ("cifar100/Linf/Bai2023Improving_edm.pt_m3.pt", "has only 3 parts"),
    ],
)
def test_a_model_that_robustbench_does_not_have(file: str, told: str) -> None:
    with pytest.raises(AtopError, match=told):
        robustbench_files.row(f"robustbench/{file}")


def store(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(value, path)
    return path


def test_a_list_of_all_needs_no_torch(tmp_path: Path) -> None:
    code = "import sys; from atop.__main__ import main; main(['checkpoints', 'list']); "
    code += "assert 'torch' not in sys.modules"
    store(tmp_path / STANDARD, {"x": torch.zeros(1)})
    said = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    ).stdout
    lines = said.splitlines()
    assert lines == [line.rstrip() for line in lines]
    assert [line.split()[0] for line in lines] == ["NAME", *ROWS]
    words = {line.split()[0]: re.split(r"  +", line) for line in lines}
    assert words["deepfill-places2"][1:3] == ["~16 MB", "no"]
    assert words["dmae-imagenet"][4] == "CC BY-NC 4.0"
    assert words["perceptual-advex-all"][1] == "?"
    assert words["robustbench-cifar10-linf-standard"][1:3] == ["~146 MB", "yes"]
    assert words["resnet18-pyautoattack"][1:3] == ["44.8 MB", "yes"]


def test_what_is_here_is_verified(
    workdir: Path, change: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    known = store(paths.checkpoint("deepfill-places2"), {"x": torch.zeros(1)})
    unlisted = store(STANDARD.with_name("Carmon2019Unlabeled.pt"), {"x": torch.zeros(2)})
    change("checkpoints", {"deepfill-places2": {"sha256": sha256(known)}})
    assert main(["checkpoints", "verify"]) == 0
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert set(lines) == {
        "deepfill-places2",
        "resnet18-pyautoattack",
        "robustbench/cifar10/Linf/Carmon2019Unlabeled.pt",
    }
    assert lines["deepfill-places2"] == f"SHA-256 {sha256(known)} (as published)"
    told = lines["robustbench/cifar10/Linf/Carmon2019Unlabeled.pt"]
    assert told == f"SHA-256 {sha256(unlisted)} (opens, but nobody has published it)"


def test_nothing_is_here(workdir: Path, change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    change("checkpoints", {"resnet18-pyautoattack": {"package": "not_installed/model.pt"}})
    assert main(["checkpoints", "verify"]) == 0
    assert capsys.readouterr().out == "no checkpoint is here\n"


def test_what_is_bad_is_named(
    workdir: Path, change: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    first = store(paths.checkpoint("deepfill-places2"), {"x": torch.zeros(1)})
    change("checkpoints", {"deepfill-places2": {"sha256": "0" * 64}})
    STANDARD.parent.mkdir(parents=True)
    STANDARD.write_bytes(b"nothing")
    assert main(["checkpoints", "verify"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "2 of 3 are bad: " in line
    assert f"{first}: SHA-256 is " in line
    assert f"{STANDARD}: not a complete checkpoint" in line
