"""The hash of the code: of what can change a number, not of what presents numbers."""

import shutil
from pathlib import Path

import pytest

from atop import provenance
from atop.files import ROOT


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("stats.py", True), ("training/curves.py", True), ("attacks/pgd.py", True),
        ("pictures/making.py", True), ("pictures/layout.py", False), ("verbs.py", False),
        ("report/curves.py", False), ("figures/bars.py", False),
    ],
)  # fmt: skip
def test_code_that_presents_numbers_makes_no_record_older(
    file: str, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "atop", tmp_path / "atop")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    before = provenance.code_sha.__wrapped__()
    path = tmp_path / "atop" / file
    path.write_text(path.read_text() + "\n")
    assert (provenance.code_sha.__wrapped__() != before) == counts
