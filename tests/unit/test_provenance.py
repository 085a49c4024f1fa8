"""The hash of the code, and the machine that a record names."""

import shutil
from pathlib import Path

import pytest
import torch

from atop.core import provenance
from atop.core.files import ROOT
from atop.core.hardware import processor


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("core/stats.py", True), ("pipeline/training/curves.py", True),
        ("method/attacks/pgd.py", True), ("pipeline/evaluation/trace_images.py", True),
        ("reporting/image_grids/layout.py", False), ("commands/tables.py", False),
        ("operations/timed_run/queue.py", False), ("reporting/report/curves.py", False),
        ("results/verify.py", False),
    ],
)  # fmt: skip
def test_code_that_presents_numbers_makes_no_record_older(
    file: str, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "atop", tmp_path / "atop")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "atop")
    before = provenance.code_sha.__wrapped__()
    path = tmp_path / "atop" / file
    path.write_text(path.read_text() + "\n")
    assert (provenance.code_sha.__wrapped__() != before) == counts


def test_a_record_names_the_processor_that_rounded_it() -> None:
    told = provenance.Stopwatch(torch.device("cpu")).provenance()
    assert (told["device"], told["processor"]) == ("cpu", processor())
    linux = Path("/proc/cpuinfo")
    if linux.exists() and "model name" in linux.read_text():
        assert f": {processor()}\n" in linux.read_text()
    assert processor()
