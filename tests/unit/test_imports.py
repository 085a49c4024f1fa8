"""What verbs import: a job is a process of its own, so what it does without is not imported."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.released_records import smoke_run

from atop.core.files import ROOT

CELL = "cifar10_slice-resnet_small-deepfill-scratch-rt2-none-paper-s0"
BARE = "cifar10_slice-resnet_small-undefended"
RUN = str(smoke_run())
HEAVY = {
    "altair", "jinja2", "matplotlib", "pandas", "pyautoattack", "robustbench", "scipy.stats",
    "timm", "torch", "torchvision",
}  # fmt: skip
VERBS = """
import json, sys
from atop.__main__ import main
heavy, *verbs = json.loads(sys.argv[1])
for words in verbs:
    assert main(words) == 0
    print("imported:", *(set(heavy) & set(sys.modules)))
"""


def imported(*verbs: str) -> list[set[str]]:
    """Which heavy packages are there after each of some verbs, run in one process."""
    words = json.dumps([sorted(HEAVY), *(verb.split() for verb in verbs)])
    done = subprocess.run(
        [sys.executable, "-c", VERBS, words],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    lines = [line.split()[1:] for line in done.stdout.splitlines() if "imported:" in line]
    assert len(lines) == len(verbs)
    return [set(line) for line in lines]


@pytest.fixture
def small(change: Callable[[str, dict[str, Any]], None], workdir: Path) -> None:
    """The smoke preset with eight images, one attack and one step."""
    stages = {"l_org": {"images": 16}}
    change("presets/smoke", {"evaluation": {"n": 8}, "stages": stages})
    change("attacks", {"suites": {"table7": {"attacks": ["clean", "fgsm"]}}})


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_job_that_computes_imports_torch_alone() -> None:
    machine = "--preset smoke --threads 1"
    assert imported(
        "fetch --dataset cifar10_slice",
        f"attack {machine} --cell {BARE} --attack fgsm",
        f"finetune {machine} --cell {CELL}",
        f"evaluate {machine} --cell {CELL} --suite table7",
    ) == [set(), {"torch"}, {"torch"}, {"torch"}]


@pytest.mark.slow
@pytest.mark.usefixtures("workdir")
def test_a_job_that_renders_imports_no_torch() -> None:
    words = f"--preset smoke --results {RUN} --out made"
    of_table = {"jinja2", "pandas", "scipy.stats"}
    found = imported(f"table --table table7 {words}", f"report {words}")
    assert found == [of_table, {*of_table, "altair"}]
    assert Path("made/report.html").exists()


@pytest.mark.usefixtures("workdir")
def test_a_list_of_what_a_table_needs_imports_nothing_heavy() -> None:
    assert imported("prefetch table2 --list") == [set()]
