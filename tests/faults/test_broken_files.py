"""Broken, foreign or missing files: named, with what to do, and nothing left in their place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from breaking import BARE, Complain, Cut
from safetensors.torch import load_file, save_file

from atop.__main__ import main
from atop.core.files import ROOT, sha256
from atop.experiment import paths, presets
from atop.experiment.cells import Cell

Change = Callable[[str, dict[str, Any]], None]

SMOKE = ("--preset", "smoke")
ATTACK = ("attack", *SMOKE, "--cell", BARE.id, "--attack", "fgsm")
EVALUATE = ("evaluate", *SMOKE, "--cell", BARE.id, "--suite", "table7")
TABLE = ("table", *SMOKE, "--table", "table7")
NONE = Cell.parse("cifar10_slice-resnet_small-deepfill-scratch-rt2-none-paper-s0")
SMALL = ROOT / "workflow" / "resources" / "resnet_small.safetensors"


def give(change: Change, path: Path, sha: str | None = None) -> None:
    """Have the smoke preset take its classifier from `path`."""
    given = {"file": str(path), "sha256": sha}
    change(
        "presets/smoke",
        {"classifiers": {"resnet_small": {"checkpoints": {"cifar10_slice": given}}}},
    )


def test_all_is_well_before_it_is_broken(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The state that the tests below break one thing of."""
    assert main([*ATTACK, "--threads", "1"]) == 0
    assert main(list(EVALUATE)) == 0
    assert main(list(TABLE)) == 0
    assert "error" not in capsys.readouterr().err


# Checkpoints.


def test_checkpoint_missing(complain: Complain, small: Path, change: Change) -> None:
    give(change, Path("nowhere.pth"))
    assert "nowhere.pth: no such checkpoint" in complain(*ATTACK)


def test_purifier_missing(complain: Complain, small: Path) -> None:
    line = complain("evaluate", *SMOKE, "--cell", NONE.id, "--suite", "table7")
    assert f"{paths.purifier(presets.get('smoke'), NONE)}: no such checkpoint" in line


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_checkpoint_truncated(
    complain: Complain, small: Path, change: Change, truncate: Cut, pth: Path, kind: str
) -> None:
    if kind == "safetensors":
        pth = pth.with_suffix(".safetensors")
        pth.write_bytes(SMALL.read_bytes())
    truncate(pth)
    give(change, pth)
    line = complain(*ATTACK)
    assert f"{pth}: not a complete checkpoint" in line
    assert "delete it and run again" in line


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_checkpoint_of_another_network(
    complain: Complain, small: Path, change: Change, pth: Path, kind: str
) -> None:
    other = SMALL.with_name("deepfill.safetensors") if kind == "safetensors" else pth
    give(change, other)
    assert f"{other}: weights of another network: " in complain(*ATTACK)


def test_checkpoint_with_another_hash(complain: Complain, small: Path, change: Change) -> None:
    give(change, SMALL, "0" * 64)
    line = complain(*ATTACK)
    assert f"{SMALL}: SHA-256 is {sha256(SMALL)[:12]}..., the config says 000000000000" in line
    assert "fetch it again or correct the config" in line


# Adversarial sets and records.


def test_adversarial_set_missing(complain: Complain, small: Path) -> None:
    path = paths.adversarial(presets.get("smoke"), BARE, "fgsm")
    path.unlink()
    assert f"{path}: no such" in complain(*EVALUATE)


def test_adversarial_set_truncated(complain: Complain, small: Path, truncate: Cut) -> None:
    path = paths.adversarial(presets.get("smoke"), BARE, "fgsm")
    truncate(path)
    line = complain(*EVALUATE)
    assert f"{path}: not a complete" in line
    assert "delete it and run again" in line


@pytest.mark.parametrize("what", ["other", "fewer"])
def test_adversarial_set_of_other_images(complain: Complain, small: Path, what: str) -> None:
    path = paths.adversarial(presets.get("smoke"), BARE, "fgsm")
    tensors = load_file(path)
    if what == "other":
        tensors["index"] = tensors["index"] + 1
    else:
        tensors = {name: value[:4].clone() for name, value in tensors.items()}
    save_file(tensors, path)
    assert f"{path}: made from other test images; delete it and run again" in complain(*EVALUATE)


def test_adversarial_set_that_is_something_else(complain: Complain, small: Path) -> None:
    path = paths.adversarial(presets.get("smoke"), BARE, "fgsm")
    save_file({"weights": torch.zeros(3)}, path)
    assert f"{path}: not an adversarial set" in complain(*EVALUATE)


def test_account_of_an_adversarial_set_truncated(
    complain: Complain, small: Path, truncate: Cut
) -> None:
    path = paths.adversarial(presets.get("smoke"), BARE, "fgsm").with_suffix(".json")
    truncate(path)
    line = complain(*EVALUATE)
    assert f"{path}: not readable as JSON" in line
    assert "delete it and run again" in line


@pytest.fixture
def record(small: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(list(ATTACK)) == 0
    assert main(list(EVALUATE)) == 0
    return paths.record(presets.get("smoke"), BARE, "table7", "classifier")


def test_record_broken(complain: Complain, record: Path, truncate: Cut) -> None:
    """One record, broken in one way after another: making it takes the time."""
    good = record.read_text()

    def edited(**changes: Any) -> str:
        content = json.loads(good)
        content.update(changes)
        record.write_text(json.dumps(content))
        line = complain(*TABLE)
        assert f"{record}: " in line
        return line

    assert "'treads'" in edited(treads=1)
    assert "schema" in edited(schema=3)
    assert "labels" in edited(labels=json.loads(good)["labels"][:-1])
    assert "cell" in edited(cell={**json.loads(good)["cell"], "id": "other"})
    assert "n: " in edited(n="many")
    record.write_text(good)
    truncate(record)
    line = complain(*TABLE)
    assert f"{record}: not readable as JSON" in line
    assert "delete it and run again" in line
