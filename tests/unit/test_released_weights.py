"""Released weights: verified, newer than what they were made from, and never over one's own."""

from dataclasses import replace
from pathlib import Path

import pytest

from atop.core.errors import AtopError
from atop.core.files import write_json
from atop.experiment import paths, presets
from atop.experiment.cells import Cell
from atop.experiment.stages.finetuning import Finetune, Pretrain
from atop.operations import released_weights
from atop.operations.released_weights import SUMS, WEIGHTS, release, restore

SLIM = presets.get("slim")
CELL = Cell(
    dataset="cifar10",
    classifier="resnet18_32",
    purifier="deepfill",
    init="scratch",
    transform="rt2",
    finetune="adversarial",
)
CHAIN = [
    Pretrain.of(SLIM, "cifar10", "deepfill"),
    Finetune(preset=SLIM, cell=CELL.base),
    Finetune(preset=SLIM, cell=CELL),
]


@pytest.fixture
def trained(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights of a chain, and the data that it was trained on."""
    monkeypatch.setattr(released_weights, "_trainings", lambda preset: iter(CHAIN))
    write_json(paths.dataset("cifar10"), {})
    for number, stage in enumerate(CHAIN):
        stage.file.parent.mkdir(parents=True, exist_ok=True)
        stage.file.write_bytes(bytes([number]) * 100)
        write_json(stage.metadata, {"settings": {"fingerprint": stage.fingerprint}})
    return workdir


def forget() -> None:
    for stage in CHAIN:
        stage.file.unlink()
        stage.metadata.unlink()


def test_released_weights_come_back(trained: Path) -> None:
    assert len(release(SLIM)) == 6
    forget()
    assert len(restore(SLIM)) == 6
    assert [stage.file.read_bytes()[0] for stage in CHAIN] == [0, 1, 2]


def test_what_is_restored_is_newer_than_its_inputs(trained: Path) -> None:
    release(SLIM)
    forget()
    paths.dataset("cifar10").touch()
    restore(SLIM)
    times = [
        path.stat().st_mtime_ns for path in [paths.dataset("cifar10"), *(s.file for s in CHAIN)]
    ]
    assert times == sorted(times)


def test_own_weights_are_kept(trained: Path) -> None:
    release(SLIM)
    CHAIN[1].file.write_bytes(b"mine")
    assert restore(SLIM) == []
    assert CHAIN[1].file.read_bytes() == b"mine"


def test_a_later_release_keeps_what_is_not_here(trained: Path) -> None:
    release(SLIM)
    before = (WEIGHTS / "slim" / SUMS).read_text()
    forget()
    assert release(SLIM) == []
    assert (WEIGHTS / "slim" / SUMS).read_text() == before


def test_a_damaged_file_is_refused(trained: Path) -> None:
    release(SLIM)
    forget()
    file = WEIGHTS / CHAIN[1].file.relative_to(paths.RESULTS)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(AtopError, match=r"not the file of .*SHA256SUMS"):
        restore(SLIM)
    assert not CHAIN[1].file.exists()


def test_weights_of_other_settings_are_refused(trained: Path) -> None:
    write_json(CHAIN[2].metadata, {"settings": {"fingerprint": "other"}})
    release(SLIM)
    forget()
    with pytest.raises(AtopError, match="trained under other settings"):
        restore(SLIM)
    assert not CHAIN[2].file.exists()


def test_data_come_first(trained: Path) -> None:
    release(SLIM)
    forget()
    paths.dataset("cifar10").unlink()
    with pytest.raises(AtopError, match=r"about\.json: make it first"):
        restore(SLIM)


def test_trainings_come_after_what_they_start_from() -> None:
    files = [stage.file for stage in released_weights._trainings(SLIM)]
    seeds = [Finetune(preset=SLIM, cell=replace(CELL, seed=1))]
    order = [files.index(stage.file) for stage in [*CHAIN, *seeds]]
    assert order == sorted(order)
    assert len(set(files)) == len(files)
