"""Attacks in the memory that there is: batches, halves of them, and recomputation."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.small_evaluation import BARE, CELL, CPU, ROW, Change, N, prepare
from torch import Tensor

from atop.core.errors import AtopError
from atop.core.execution import Segment
from atop.core.randomness import Randomness
from atop.data.dataset import Split
from atop.experiment import paths, presets
from atop.experiment.stages.attack import Attack
from atop.method.attack import Target
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.attacking.batches import batches
from atop.pipeline.attacking.runner import AttackRunner


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


@pytest.mark.parametrize("after", ["clean", "first"])
def test_an_attack_holds_no_more_images_than_a_batch(
    small: Change, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    small("attacks", {"attacks": {"first": ROW, "mine": {**ROW, "after": after}}})
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="first"), CPU)
    inputs, sizes = Split.inputs, []

    def counting(self: Split, size: int) -> Tensor:
        sizes.append(len(self))
        return inputs(self, size)

    monkeypatch.setattr(Split, "inputs", counting)
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    assert max(sizes) <= 8 < N


def test_a_batch_that_does_not_fit_is_run_in_halves_with_the_same_result(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    small("attacks", {"attacks": {"mine": ROW}})
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    x, y, index = split.inputs(32), split.labels, split.index
    attack = AttackRunner(Attack(preset=presets.get("smoke"), cell=BARE, attack="mine"), CPU)
    whole = attack.run(x, x, y, index)
    method, sizes = attack.method, []

    def small_memory(target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
        sizes.append(len(x))
        if len(x) > 3:
            raise torch.OutOfMemoryError
        return method(target, x, y, draw)

    attack.method = small_memory
    torch.testing.assert_close(attack.run(x, x, y, index), whole, rtol=0, atol=1e-6)
    assert sizes[:4] == [16, 8, 4, 2]

    def no_memory(target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
        raise torch.OutOfMemoryError

    attack.method = no_memory
    with pytest.raises(AtopError, match="mine: not even one image fits into memory"):
        attack.run(x, x, y, index)


def test_an_image_that_does_not_fit_is_tried_again_with_less_memory(small: Change) -> None:
    small("attacks", {"attacks": {"mine": ROW}})
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice").take(slice(0, 1))
    x, y, index = split.inputs(32), split.labels, split.index
    attack = AttackRunner(Attack(preset=presets.get("smoke"), cell=CELL, attack="mine"), CPU)
    whole, method = attack.run(x, x, y, index), attack.method
    segments = [one for one in attack.defense.modules() if isinstance(one, Segment)]
    assert not any(one.recompute for one in segments)

    def small_memory(target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
        if not all(one.recompute for one in segments):
            raise torch.OutOfMemoryError
        return method(target, x, y, draw)

    attack.method = small_memory
    assert torch.equal(attack.run(x, x, y, index), whole)


def test_many_draws_make_batches_small_on_a_gpu() -> None:
    cuda = torch.device("cuda")
    sizes = [batches(64, pixels=256, eot=eot, device=cuda) for eot in (1, 4, 20, 50, 1000)]
    assert [size.batch for size in sizes] == [64, 64, 12, 5, 1]
    assert all(size.rows > 10**6 for size in sizes)


def test_large_images_make_batches_small_on_a_cpu(small: Change) -> None:
    sizes = [batches(64, pixels=pixels, eot=20, device=CPU) for pixels in (32, 128, 256, 1024)]
    assert [tuple(size) for size in sizes] == [(64, 32), (32, 32), (8, 8), (1, 1)]
    stage = Attack(preset=presets.get("smoke"), cell=CELL, attack="strict-pgd")
    assert AttackRunner(stage, CPU).batch == 8  # of `small`
    small("presets/smoke", {"sizes": {"purifier": 512}})
    runner = AttackRunner(replace(stage, preset=presets.get("smoke")), CPU)
    assert (runner.batch, runner.target.rows) == (2, 2)
    bare = replace(stage, preset=presets.get("smoke"), cell=CELL.bare)
    assert AttackRunner(bare, CPU).batch == 8  # f works at its own size
    small("presets/smoke", {"sizes": {"purifier": 256}})
    preset, rt3 = presets.get("smoke"), replace(CELL, transform="rt3")
    for suffix in (".safetensors", ".json"):
        source = paths.purifier(preset, CELL).with_suffix(suffix)
        shutil.copy(source, paths.purifier(preset, rt3).with_suffix(suffix))
    runner = AttackRunner(replace(stage, preset=preset, cell=rt3), CPU)
    assert (runner.batch, runner.target.rows) == (2, 2)  # four views of each
