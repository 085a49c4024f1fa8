"""A training whose process is killed, or told to end, ends with the same bits when run again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from atop.__main__ import main
from atop.core.files import ROOT, read_json
from atop.experiment import paths, presets
from atop.experiment.cells import Cell

CELL = Cell(
    dataset="cifar10_slice", classifier="any", purifier="deepfill", init="scratch", transform="rt2"
)
COMMAND = ["finetune", "--preset", "smoke", "--cell", CELL.id, "--threads", "1"]


@pytest.fixture
def smoke(change: Any, workdir: Path) -> tuple[bytes, Any]:
    """A fetched slice, a budget of 30 steps, and what an uninterrupted run of it ends with."""
    change("presets/smoke", {"stages": {"l_org": {"images": 120, "batch": 4}}, "recipe": ...})
    assert main(["fetch", "--dataset", "cifar10_slice"]) == 0
    out = finish()
    whole = out.read_bytes(), history(out)
    out.unlink()
    out.with_suffix(".json").unlink()
    return whole


def finish() -> Path:
    """Run the command to its end in this process."""
    try:
        assert main(COMMAND) == 0
    finally:
        torch.set_flush_denormal(False)
    return paths.purifier(presets.get("smoke"), CELL)


def history(out: Path) -> Any:
    return read_json(out.with_suffix(".json"))["history"]


def start(**environment: str) -> subprocess.Popen[bytes]:
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "atop", *COMMAND],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stderr=subprocess.PIPE,
    )


def wait_for(happened: Any) -> None:
    for _ in range(6000):
        if happened():
            return
        time.sleep(0.01)
    raise TimeoutError


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_bits(smoke: tuple[bytes, Any]) -> None:
    out = paths.purifier(presets.get("smoke"), CELL)
    state = paths.state(out)
    process = start(ATOP_SAVE_EVERY_S="0")
    wait_for(state.exists)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    assert 0 < torch.load(state)["done"] < 30
    again = start(ATOP_SAVE_EVERY_S="3600")
    _, told = again.communicate()
    assert again.returncode == 0
    assert b"other settings" not in told
    assert (out.read_bytes(), history(out)) == smoke
    assert not state.exists()


@pytest.mark.slow
def test_a_terminated_process_leaves_a_state_and_no_result(
    smoke: tuple[bytes, Any], change: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    out = paths.purifier(presets.get("smoke"), CELL)
    state = paths.state(out)
    process = start(ATOP_SAVE_EVERY_S="3600")
    assert process.stderr is not None
    line = b""
    while b"finetune" not in line:  # the progress bar shows itself when training begins
        line = process.stderr.readline()
        assert line or process.poll() is None
    process.terminate()
    process.communicate()
    assert process.returncode == 143
    assert not out.exists()
    assert not out.with_suffix(".json").exists()
    saved = state.read_bytes()
    assert 0 < torch.load(state)["done"] < 30
    finish()
    assert (out.read_bytes(), history(out)) == smoke

    state.write_bytes(saved)
    change("transforms", {"rt2": {"sigma": 0.125}})  # a run of other settings starts afresh
    capsys.readouterr()
    finish()
    assert f"{state}: left by a run with other settings" in "".join(capsys.readouterr())
    assert len(history(out)) == 30
    assert out.read_bytes() != smoke[0]
    assert not state.exists()
