"""Attacks that were interrupted: they go on from what was saved, if it is of the same settings."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.small_evaluation import BARE, CPU, ROW, Change, prepare
from torch import Tensor

from atop.core import resumable
from atop.core.files import read_json
from atop.experiment import paths, presets
from atop.experiment.stages.attack import Attack
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.attacking.runner import AttackRunner


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


@pytest.mark.parametrize("after", [False, True])
def test_a_killed_attack_goes_on_after_the_batch_that_it_saved(
    small: Change, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", 0)
    small("attacks", {"attacks": {"mine": {**ROW, **({"after": "clean"} if after else {})}}})
    small("presets/smoke", {"evaluation": {"batch": 4}})
    whole = load_file(
        make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    )["images"]
    out = paths.adversarial(presets.get("smoke"), BARE, "mine")
    out.unlink()
    state = paths.state(out)
    assert not state.exists()
    run, ran = AttackRunner.run, []

    def dying(self: AttackRunner, x: Tensor, start: Tensor, y: Tensor, index: Tensor) -> Tensor:
        ran.append(index.tolist())
        if len(ran) == 3:
            raise KeyboardInterrupt
        return run(self, x, start, y, index)

    monkeypatch.setattr(AttackRunner, "run", dying)
    with pytest.raises(KeyboardInterrupt):
        make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    assert state.exists()
    assert not out.exists()
    again = load_file(
        make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    )["images"]
    assert torch.equal(again, whole)
    assert ran[3] == ran[2]  # the first two were not attacked again
    assert read_json(out.with_suffix(".json"))["resumed"]
    assert not state.exists()


def test_a_run_without_its_images_begins_again(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("attacks", {"attacks": {"mine": ROW}})
    out = paths.adversarial(presets.get("smoke"), BARE, "mine")
    whole = load_file(
        make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    )["images"]
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", 0)
    run = AttackRunner.run

    def dying(self: AttackRunner, x: Tensor, *of: Tensor) -> Tensor:
        if paths.state(out).exists():
            raise KeyboardInterrupt
        return run(self, x, *of)

    monkeypatch.setattr(AttackRunner, "run", dying)
    with pytest.raises(KeyboardInterrupt):
        make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    monkeypatch.setattr(AttackRunner, "run", run)
    paths.state(out).with_suffix(".images").unlink()
    assert torch.equal(
        load_file(
            make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
        )["images"],
        whole,
    )
    assert not [one for one in paths.state(out).parent.iterdir() if one.is_file()]


def test_a_state_of_other_settings_is_not_taken_up(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("attacks", {"attacks": {"mine": ROW}})
    state = paths.state(paths.adversarial(presets.get("smoke"), BARE, "mine"))
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", 0)
    saved: list[bytes] = []
    monkeypatch.setattr(Path, "unlink", _keeping(saved, Path.unlink))
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    state.write_bytes(saved[-1])
    small("attacks", {"attacks": {"mine": {"steps": 3}}})
    changed = load_file(
        make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    )["images"]
    fresh = AttackRunner(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    x = split.inputs(32)
    torch.testing.assert_close(changed, fresh.run(x, x, split.labels, split.index))


def _keeping(saved: list[bytes], unlink: Callable[..., None]) -> Callable[..., None]:
    """Path.unlink that keeps what a state file held."""

    def keep(self: Path, missing_ok: bool = False) -> None:
        if self.suffix == ".pt" and self.exists():
            saved.append(self.read_bytes())
        unlink(self, missing_ok=missing_ok)

    return keep
