"""Choices of `auto` on disk: one for a network and a machine, whichever job measures it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from atop.core import hardware
from atop.core.errors import AtopError
from atop.core.files import ROOT, read_json, write_json
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.pipeline.execution import choices, resolve
from atop.pipeline.execution.resolve import compute
from atop.pipeline.execution.trial import Trial

Change = Callable[[str, dict[str, Any]], None]
CPU = torch.device("cpu")
CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2",
)  # fmt: skip
AUTO = {"precision": "auto", "channels_last": "auto"}
FILE = choices.file_of(CPU)
BY_HAND = """
import sys, time
import torch
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.pipeline.execution.resolve import compute
from atop.pipeline.execution.trial import Trial

_, cell, fast = sys.argv
torch.set_num_threads(1)

def seconds(trial, candidate):
    time.sleep(0.1)  # so that the other one begins before this one ends
    return 1.0 if candidate.name == fast else 1.5

Trial.seconds = seconds
print("ready", flush=True)
sys.stdin.readline()
print(compute(presets.get("smoke"), "train", Cell.parse(cell), torch.device("cpu")).name)
"""


@pytest.fixture
def auto(change: Change, workdir: Path) -> Change:
    """Preset smoke with `auto` for training and attacks, and nothing chosen yet."""
    change("presets/smoke", {"compute": {"train": AUTO, "attack": AUTO}})
    return change


@pytest.fixture
def fast(auto: Change, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Make a candidate the fastest from now on; the candidates that are timed since."""

    def of(name: str) -> list[str]:
        timed: list[str] = []

        def seconds(trial: Trial, candidate: Any) -> float:
            timed.append(candidate.name)
            return 0.010 if candidate.name == name else 0.015

        monkeypatch.setattr(Trial, "seconds", seconds)
        return timed

    return of


def resolved(kind: str = "train", cell: Cell = CELL) -> str:
    return compute(presets.get("smoke"), kind, cell, CPU).name


def test_a_choice_is_kept_with_its_reason(fast: Callable[[str], list[str]]) -> None:
    timed = fast("bfloat16")
    made = compute(presets.get("smoke"), "train", CELL, CPU)
    assert set(timed) == {
        "float32", "float32, channels last", "bfloat16", "bfloat16, channels last",
    }  # fmt: skip
    assert (made.precision, made.channels_last) == ("bfloat16", False)
    times = dict.fromkeys(sorted(set(timed)), 15.0) | {"bfloat16": 10.0}
    assert made.timings == times
    (row,) = read_json(FILE)["rows"].values()
    assert row["about"] == "train deepfill at 48 pixels, width 8"
    assert (row["precision"], row["channels_last"], row["ms"]) == ("bfloat16", False, times)
    assert row["machine"]["threads"] == torch.get_num_threads()
    timed = fast("float32")
    assert compute(presets.get("smoke"), "train", CELL, CPU) == made  # noise turns nothing round
    assert not timed
    FILE.unlink()
    assert resolved() == "float32"


def test_what_a_preset_says_is_not_measured(
    change: Change, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "Trial", None)
    slow = {"precision": "bfloat16", "channels_last": True}
    change("presets/smoke", {"compute": {"train": slow, "attack": {"precision": "tf32"}}})
    assert resolved() == "bfloat16, channels last"
    assert resolved("attack") == "tf32"
    change("presets/smoke", {"compute": {"train": {"precision": "auto", "channels_last": False}}})
    only = {"precision": "auto", "precisions": ["tf32"], "channels_last": ...}
    change("presets/smoke", {"compute": {"attack": only}})
    assert resolved("attack") == "float32"  # which is all that a CPU has of these
    assert not FILE.exists()


def test_candidates_are_those_that_the_preset_and_the_device_have(
    fast: Callable[[str], list[str]], auto: Change
) -> None:
    auto("presets/smoke", {"compute": {"train": {"precisions": ["tf32"]}}})
    timed = fast("bfloat16")
    assert resolved() == "float32"
    assert set(timed) == {"float32", "float32, channels last"}
    auto("presets/smoke", {"compute": {"train": {"precisions": ["bfloat16"]}}})
    assert resolved() == "bfloat16"


def test_other_networks_and_other_conditions_are_measured_apart(
    fast: Callable[[str], list[str]], auto: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast("float32")

    def rows(cell: Cell = CELL, kind: str = "train") -> int:
        compute(presets.get("smoke"), kind, cell, CPU)
        return len(read_json(FILE)["rows"])

    assert rows() == 1
    assert rows(replace(CELL, transform="rt1", finetune="adversarial", seed=5)) == 1
    assert rows(kind="attack") == 2
    assert rows(CELL.bare) == 3
    assert rows(replace(CELL.bare, classifier="resnet18_32")) == 4
    assert rows(replace(CELL, purifier="dmae", transform="tokens")) == 5
    auto("presets/smoke", {"sizes": {"purifier": 64}})
    assert rows() == 6
    auto("presets/smoke", {"purifiers": {"deepfill": {"options": {"width": 4}}}})
    assert rows() == 7
    auto("presets/smoke", {"compute": {"train": {"recompute": True}}})
    assert rows() == 8
    monkeypatch.setattr(torch, "__version__", "9.9")
    assert rows() == 9
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert rows() == 10
    monkeypatch.setattr(choices, "bfloat16_instructions", list)  # of a processor of that name
    assert rows() == 11
    assert rows() == 11


def test_measuring_leaves_the_generator_of_the_job_alone(auto: Change) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    resolved()
    assert FILE.exists()
    assert torch.equal(torch.get_rng_state(), before)


def test_jobs_of_one_machine_agree(auto: Change, workdir: Path) -> None:
    """Two that measure at the same time, each with another result, and one that comes later."""

    def job(fast: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", BY_HAND, CELL.id, fast],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        return process

    jobs = [job("bfloat16"), job("bfloat16, channels last")]
    late = job("float32, channels last")
    for each in jobs:
        assert each.stdin
        each.stdin.write("go\n")
        each.stdin.flush()
    first, second = (each.communicate()[0].strip() for each in jobs)
    assert first == second != ""
    assert late.communicate("go\n")[0].strip() == first
    (row,) = read_json(FILE)["rows"].values()
    assert choices.Choice(**row).compute.name == first


def test_a_damaged_file_is_named(fast: Callable[[str], list[str]]) -> None:
    fast("float32")
    resolved()
    content = read_json(FILE)
    next(iter(content["rows"].values()))["precision"] = "float8"
    write_json(FILE, content)
    with pytest.raises(AtopError, match=r"execution-.*json \(delete it.*\): rows.*float8"):
        resolved()
    FILE.write_text(json.dumps(content)[:-9])
    with pytest.raises(AtopError, match=r"execution-.*json: not readable as JSON .*; delete it"):
        resolved()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: A\nflags\t\t: fpu amx_bf16 avx512f avx512_bf16\n", 2),
        ("Features\t: fp asimd bf16 sve svebf16\n", 2),
        ("flags\t\t: fpu avx2\n", 0),
        ("", 0),
    ],
)
def test_processors_of_one_name_differ_in_their_instructions(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: int
) -> None:
    monkeypatch.setattr(hardware, "_cpuinfo", lambda: text)
    flags = hardware.bfloat16_instructions.__wrapped__()
    assert len(flags) == expected
    assert flags == sorted(flags)
