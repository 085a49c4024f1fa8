"""Jobs under `auto`: they go on as they began, and their metadata say what was chosen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.small_evaluation import BARE, CELL, CPU, Change, prepare
from support.small_evaluation import run as evaluated
from torch import Tensor

from atop.core import resumable
from atop.core.execution import Compute
from atop.core.files import read_json
from atop.experiment import paths, presets
from atop.experiment.cells import Cell
from atop.experiment.stages.attack import Attack
from atop.experiment.stages.finetuning import finetuning
from atop.experiment.workload import Query
from atop.operations.cost import calibration, ready
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.attacking.runner import AttackRunner
from atop.pipeline.execution import choices
from atop.pipeline.execution.trial import Trial
from atop.pipeline.run import run
from atop.pipeline.training.purifier import PurifierTrainer

AUTO = {"precision": "auto", "channels_last": "auto"}
PLAIN = {"precision": "float32", "channels_last": False, "compile": False, "recompute": False}
HALF = {**PLAIN, "precision": "bfloat16", "channels_last": True}
TIMES = dict.fromkeys(("float32", "float32, channels last", "bfloat16"), 15.0)
Fast = Callable[[str], None]


@pytest.fixture
def fast(change: Change, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Fast:
    """Preset smoke in small, with `auto`; make a candidate the fastest from now on."""
    prepare(change)
    stage = {"images": 16, "batch": 4}
    changes = {"compute": {"train": AUTO, "attack": AUTO}, "stages": {"l_org": stage}}
    change("presets/smoke", changes)
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", -1.0)

    def of(name: str) -> None:
        def seconds(trial: Trial, candidate: Compute) -> float:
            return 0.010 if candidate.name == name else 0.015

        monkeypatch.setattr(Trial, "seconds", seconds)

    of("bfloat16, channels last")
    return of


def l_org(cell: Cell = CELL.base) -> dict[str, Any]:
    """Train; the metadata of the weights."""
    path = run(finetuning(presets.get("smoke"), cell), CPU)
    metadata: dict[str, Any] = read_json(path.with_suffix(".json"))
    return metadata


def test_a_training_goes_on_as_it_began(fast: Fast, monkeypatch: pytest.MonkeyPatch) -> None:
    l_org()
    weights = paths.purifier(presets.get("smoke"), CELL.base)
    undisturbed = weights.read_bytes()
    weights.unlink()
    step, done = PurifierTrainer.step, list[int]()

    def dies(self: PurifierTrainer, number: int) -> Any:
        if number == 2:
            raise KeyboardInterrupt
        return step(self, number)

    def counts(self: PurifierTrainer, number: int) -> Any:
        done.append(number)
        return step(self, number)

    monkeypatch.setattr(PurifierTrainer, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        l_org()
    fast("float32")
    monkeypatch.setattr(PurifierTrainer, "step", counts)
    metadata = l_org()
    assert done == [2, 3]
    assert metadata["settings"]["compute"] == HALF
    assert weights.read_bytes() == undisturbed


def test_an_attack_goes_on_as_it_began(fast: Fast, monkeypatch: pytest.MonkeyPatch) -> None:
    attack = Attack(preset=presets.get("smoke"), cell=BARE, attack="fgsm")
    make_adversarial(attack, CPU)
    undisturbed = attack.file.read_bytes()
    attack.file.unlink()
    run, ran = AttackRunner.run, list[list[int]]()

    def dies(self: AttackRunner, x: Tensor, start: Tensor, y: Tensor, index: Tensor) -> Tensor:
        ran.append(index.tolist())
        if len(ran) == 2:
            raise KeyboardInterrupt
        return run(self, x, start, y, index)

    monkeypatch.setattr(AttackRunner, "run", dies)
    with pytest.raises(KeyboardInterrupt):
        make_adversarial(attack, CPU)
    fast("float32")
    make_adversarial(attack, CPU)
    assert ran[2:] == ran[1:2]  # the first batch is not attacked again
    assert attack.file.read_bytes() == undisturbed


def test_another_choice_begins_afresh(fast: Fast, capsys: pytest.CaptureFixture[str]) -> None:
    """Never half of a training in another precision."""
    stage = finetuning(presets.get("smoke"), CELL.base)
    path = paths.state(stage.file)
    path.parent.mkdir(parents=True)
    half = l_org()
    torch.save({"identity": half["provenance"]["identity"], "done": 4}, path)
    choices.file_of(CPU).unlink()
    fast("float32")
    plain = l_org()
    assert "left by a run with other settings; starting afresh" in capsys.readouterr().out
    assert plain["settings"]["compute"] == PLAIN
    assert plain["provenance"]["identity"] != half["provenance"]["identity"]
    assert plain["settings"]["fingerprint"] == half["settings"]["fingerprint"]


def test_metadata_hold_what_was_chosen_and_why(fast: Fast, change: Change) -> None:
    metadata = l_org()
    why = {"chosen": "auto", "ms": {**TIMES, "bfloat16, channels last": 10.0}}
    assert metadata["settings"]["compute"] == HALF
    assert metadata["provenance"]["compute"] == {**HALF, **why}
    change("presets/smoke", {"compute": {"train": {**HALF}}})
    assert l_org()["provenance"]["compute"] == HALF


def test_a_record_holds_what_was_chosen(fast: Fast) -> None:
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    clean, attacked = evaluated(BARE)["evaluations"]
    assert clean["adversarial"] is None
    used = attacked["adversarial"]["provenance"]["compute"]
    assert {key: used[key] for key in HALF} == HALF
    assert used["chosen"] == "auto"
    assert used["ms"].keys() == {*TIMES, "bfloat16, channels last"}


def test_a_fingerprint_is_of_the_setting(fast: Fast, change: Change) -> None:
    """A choice of this machine makes nothing again; another setting does."""

    def fingerprints() -> list[str]:
        smoke = presets.get("smoke")
        attack = Attack(preset=smoke, cell=BARE, attack="fgsm")
        return [finetuning(smoke, CELL.base).fingerprint, attack.fingerprint]

    before = fingerprints()
    l_org()
    choices.file_of(CPU).unlink()
    assert fingerprints() == before
    narrow = {**AUTO, "precisions": ["bfloat16"]}
    change("presets/smoke", {"compute": {"train": narrow, "attack": narrow}})
    assert not set(fingerprints()) & set(before)
    change("presets/smoke", {"compute": ...})
    assert not set(fingerprints()) & set(before)


def test_costs_are_of_the_choice_and_its_measurement_is_none_of_them(
    fast: Fast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def query(mode: str) -> Query:
        smoke = presets.get("smoke")
        return Query(
            preset=smoke, cell=BARE, pixels=32, batch=2, draws=1, gradient=False, mode=mode
        )

    names = {mode: ready.execution_of(query(mode), CPU).name for mode in ("train", "attack")}
    assert set(names.values()) == {"bfloat16, channels last"}
    assert ready.execution_of(query("judge"), CPU).name == "float32, channels last"
    assert ready.execution_of(query("evaluate"), CPU).name == "float32"

    choices.file_of(CPU).unlink()
    forget, known = calibration._forget_peak, list[bool]()

    def noted(device: torch.device) -> None:
        known.append(choices.file_of(CPU).exists())
        forget(device)

    monkeypatch.setattr(calibration, "_forget_peak", noted)
    monkeypatch.setattr(calibration, "ENOUGH_S", 1e-9)
    calibration.measure(query("attack"), CPU)
    assert known == [True]
