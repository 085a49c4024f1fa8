"""The registry of public weights: whole, consistent with the packages that it names, and listed."""

import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atop import checkpoints, config, download, lookup, paths, zoo
from atop.__main__ import main
from atop.errors import AtopError
from atop.files import ROOT, sha256

Change = Callable[[str, dict[str, Any]], None]
ROWS: dict[str, Any] = config.read("checkpoints")
ROBUSTBENCH = [name for name, row in ROWS.items() if zoo.FILE.fullmatch(row.get("file", ""))]
STANDARD = paths.CHECKPOINTS / "robustbench/cifar10/Linf/Standard.pt"


def test_it_holds_what_the_tables_need() -> None:
    prefixes = ("deepfill", "dmae", "diffpure", "perceptual-advex", "robustbench", "resnet18")
    counts = {prefix: sum(name.startswith(prefix) for name in ROWS) for prefix in prefixes}
    assert counts == {
        "deepfill": 1,
        "dmae": 2,
        "diffpure": 2,
        "perceptual-advex": 6,
        "robustbench": 27,
        "resnet18": 1,
    }


@pytest.mark.parametrize("name", ROBUSTBENCH)
def test_ids_are_those_of_the_installed_robustbench(name: str) -> None:
    row = ROWS[name]
    assert zoo.row(row["file"])["google_drive"] == row["google_drive"]
    parts = row["file"].replace(".pt_m", "-m").removesuffix(".pt").lower()
    assert name == parts.replace("/", "-")


def test_every_classifier_finds_its_weights() -> None:
    for name, row in config.read("classifiers").items():
        for files in row.get("weights", {}).values():
            assert set(files) <= set(ROWS), name


def test_no_two_rows_share_a_file_or_a_name_in_the_users_folder() -> None:
    rows = [row for row in ROWS.values() if "file" in row]
    files = [row["file"] for row in rows]
    assert len(set(files)) == len(files)
    called = [name for row in rows for name in lookup.names(row)]
    for name in called:
        assert sum(f"/{other}".endswith(f"/{name}") for other in called) == 1, name


def test_the_classifier_that_a_package_ships_is_verified_in_its_place() -> None:
    path = download.fetch("resnet18-pyautoattack", offline=True)
    assert "site-packages" in path.parts
    assert sha256(path) == ROWS["resnet18-pyautoattack"]["sha256"]


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "https://x/y"},  # two sources
        {"google_drive": ...},  # none
        {"package": "a/b"},
        {"file": ...},
        {"file": "../x"},
        {"file": "/x"},
        {"google_drive": ..., "google_drive_folder": "ID"},  # which of its files?
        {"sha256": "abc"},
        {"bytes": "many"},
        {"licence": ...},
    ],
)
def test_a_row_that_makes_no_sense_is_refused(change: Change, changes: dict[str, Any]) -> None:
    change("checkpoints", {"deepfill-places2": changes})
    with pytest.raises(AtopError, match=r"checkpoints\.yaml: deepfill-places2") as found:
        config.read("checkpoints")
    assert "\n" not in str(found.value)


# Models of RobustBench without a row.


def test_a_model_without_a_row_is_found_in_the_package() -> None:
    row = zoo.row("robustbench/cifar10/Linf/Carmon2019Unlabeled.pt")
    assert row["google_drive"] == "15tUx-gkZMYx7BfEOw1GY5OKC-jECIsPQ"
    assert paths.checkpoint_of(row) == paths.CHECKPOINTS / row["file"]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("cifar10/Linf/Carmon2018Unlabeled.pt", "nearest are Carmon2019Unlabeled"),
        ("cifar100/L2/Standard.pt", "has no Standard for cifar100 and L2"),
        ("cifar10/Linf/Standard.pt_m0.pt", "Standard is one file"),
        ("cifar100/Linf/Bai2023Improving_edm.pt", "its files end in _m0.pt"),
        ("cifar100/Linf/Bai2023Improving_edm.pt_m3.pt", "has only 3 parts"),
    ],
)
def test_a_model_that_robustbench_does_not_have(file: str, told: str) -> None:
    with pytest.raises(AtopError, match=told):
        zoo.row(f"robustbench/{file}")


# What is here.


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
    assert [line.split()[0] for line in lines] == ["NAME", *ROWS]
    words = {line.split()[0]: re.split(r"  +", line) for line in lines}
    assert words["deepfill-places2"][1:3] == ["~16 MB", "no"]
    assert words["dmae-base"][4] == "CC BY-NC 4.0"
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
    assert f"{STANDARD}: not a whole checkpoint" in line


# What may lie in a file.


@pytest.mark.parametrize("module", [b"numpy._core.multiarray", b"numpy.core.multiarray"])
@pytest.mark.parametrize("zipped", [True, False])
def test_numbers_of_numpy_beside_the_weights_are_read(
    tmp_path: Path, module: bytes, zipped: bool
) -> None:
    """Public files of several ages have them, under the name of numpy's module of the time."""
    numbers = {
        "accuracy": np.float64(0.5),
        "loss": np.float32(0.25),
        "epoch": np.int64(7),
        "best": np.bool_(True),
    }
    buffer = io.BytesIO()
    written = {"weight": torch.ones(2), **numbers}
    torch.save(written, buffer, _use_new_zipfile_serialization=zipped)
    path = tmp_path / "old.pt"
    path.write_bytes(_renamed(buffer.getvalue(), module, zipped=zipped))
    found = checkpoints.read(path)
    assert {name: found[name] for name in numbers} == numbers


def _renamed(content: bytes, module: bytes, *, zipped: bool) -> bytes:
    """The same file as a numpy whose module has another name would have written it."""
    if not zipped:
        return content.replace(b"numpy._core.multiarray", module)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"numpy._core.multiarray", module))
    return buffer.getvalue()


def test_objects_of_numpy_are_not(tmp_path: Path) -> None:
    path = store(tmp_path / "objects.pt", {"x": np.array([Path("x")], dtype=object)})
    with pytest.raises(AtopError, match=r"refused, since it holds a numpy\.\S+, and unpickling"):
        checkpoints.read(path)
