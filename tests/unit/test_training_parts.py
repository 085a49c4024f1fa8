"""What trainings are assembled from: the attack, sizes and shifts that the config names."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.data.dataset import Split
from atop.experiment import config, presets
from atop.experiment.cells import Cell
from atop.experiment.settings.presets import PurifierTraining
from atop.pipeline import assemble
from atop.pipeline.datasets import fetch
from atop.pipeline.training import parts
from atop.pipeline.training.purifier import Classification, PurifierTrainer

BUDGET = PurifierTraining(
    images=400, batch=4, lr=1e-3, betas=(0.5, 0.999), weight_decay=0, schedule="constant", clip=None
)
RT2 = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
Change = Callable[[str, dict[str, Any]], None]


def trainer(cell: Cell, network: nn.Module, images: Split, **options: Any) -> PurifierTrainer:
    preset = presets.get("smoke")
    return parts.purifier_trainer(
        preset, cell, network, images, budget=BUDGET, stream="test", **options
    )


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    """The smoke preset's config with its data fetched."""
    fetch("cifar10_slice")
    return change


@pytest.mark.parametrize("target", ["classifier", "defense"])
def test_what_the_training_attack_differentiates(
    small: Change, images: Split, randomness: Randomness, purifier: nn.Module, target: str
) -> None:
    small("presets/smoke", {"recipe": {"attack_target": target}})
    preset = presets.get("smoke")
    x, y = images.inputs(32), images.labels

    bare = assemble.defense(preset, RT2.bare)
    defense = assemble.join(preset, RT2, purifier, bare.classifier)

    def made(finetune: str) -> Classification:
        return parts.classification(preset, replace(RT2, finetune=finetune), defense, bare)

    clean, adversarial = made("clean"), made("adversarial")
    assert clean.attack is None
    torch.testing.assert_close(clean.classify(x), bare.classifier(x))
    assert adversarial.attack is not None
    found = adversarial.attack(x, y, randomness)
    targets = {"classifier": bare, "defense": defense}
    fgsm = assemble.attack(preset, "fgsm")
    same = {
        name: (fgsm(one, x, y, randomness) == found).float().mean() for name, one in targets.items()
    }
    assert same.pop(target) > 0.99
    assert max(same.values()) < 0.95


def test_an_attack_on_the_whole_defence_knows_the_draw_that_the_purifier_learns_from(
    small: Any, purifier: nn.Module, images: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eq. 9 with one draw a step: maximised and minimised at the same one (ledger B8)."""
    cell, preset = replace(RT2, recipe="minmax"), presets.get("smoke")
    bare = assemble.defense(preset, cell.bare)
    defense = assemble.join(preset, cell, purifier.requires_grad_(True), bare.classifier)
    term = parts.classification(preset, cell, defense, bare)
    stage = trainer(cell, purifier, images, classification=term)
    transform, drawn = type(stage.transforms[0]), []
    views = transform.__call__

    def watched(self: Any, x: Tensor, randomness: Randomness) -> Any:
        found = views(self, x, randomness)
        drawn.append(found.mask)
        return found

    monkeypatch.setattr(transform, "__call__", watched)
    for number in (0, 2):  # of two epochs
        drawn.clear()
        stage.step(number)
        attacked, learned = drawn
        assert torch.equal(attacked, learned)
    assert purifier.training


def test_a_job_works_at_the_purifiers_size(small: Any, purifier: nn.Module, images: Split) -> None:
    stage = trainer(RT2, purifier.requires_grad_(True), images)
    x, _, _ = stage._batch(0)
    sizes = presets.get("smoke").settings.sizes
    assert sizes.input != sizes.purifier
    assert x.shape == (4, 3, sizes.input, sizes.input)
    assert stage.resize(x).shape == (4, 3, sizes.purifier, sizes.purifier)


def test_a_dataset_says_how_far_its_images_are_shifted(
    small: Any, purifier: nn.Module, images: Split
) -> None:
    small("datasets", {"cifar10_slice": {"shift": 3}})
    stage = trainer(RT2, purifier, images)
    assert stage.shift == 3
    assert config.dataset("imagenette").shift == 32
