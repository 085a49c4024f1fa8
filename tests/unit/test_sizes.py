"""The three sizes of a cell: the preset's, a dataset's, and what a classifier insists on."""

from typing import Any

import pytest
import torch
from support.parts import random_transform
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.data.dataset import Split
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.settings import presets as settings
from atop.experiment.settings.attacks import AttackSpec
from atop.method.defense import Defense, Sizes
from atop.pipeline import assemble

WORDS: dict[str, Any] = {"purifier": "deepfill", "init": "places2", "transform": "rt2"}


def sizes(preset: str, dataset: str, classifier: str, **changes: str) -> tuple[int, ...]:
    cell = Cell(dataset=dataset, classifier=classifier, **{**WORDS, **changes})
    return tuple(presets.get(preset).sizes(cell).given().values())


def test_a_classifier_of_one_size_takes_it_and_the_attacker_hands_it_in() -> None:
    assert sizes("paper", "cifar10", "resnet18") == (256, 256, 256)
    assert sizes("paper", "cifar10", "wrn28_10") == (32, 256, 32)
    assert sizes("paper", "cifar100", "wrn70_16") == (32, 256, 32)
    assert sizes("paper", "cifar10", "resnet50") == (32, 256, 32)
    assert sizes("paper", "imagenette", "resnet34") == (256, 256, 256)
    assert sizes("native", "cifar10", "resnet18_32") == (32, 64, 32)
    assert sizes("native", "imagenette", "resnet34") == (256, 128, 256)
    assert sizes("smoke", "cifar100", "resnet_small") == (32, 48, 32)
    assert sizes("smoke", "imagenette", "resnet_small") == (64, 64, 64)


def test_a_purifier_of_one_size_works_at_it_and_nothing_else_changes() -> None:
    of = {"purifier": "dmae", "init": "scratch"}
    assert sizes("paper", "cifar10", "resnet18", **of) == (256, 224, 256)
    assert sizes("paper", "cifar10", "wrn28_10", **of) == (32, 224, 32)
    assert sizes("native", "cifar10", "resnet18_32", **of) == (32, 32, 32)
    assert sizes("smoke", "imagenette", "resnet_small", **of) == (64, 32, 64)
    cell = Cell(dataset="cifar10", classifier="wrn28_10", **{**WORDS, **of})
    made = presets.get("paper").sizes(cell.base)
    assert made == settings.Sizes(input=256, purifier=224, classifier=256)


@pytest.mark.parametrize("preset", presets.names())
@pytest.mark.parametrize("transform", ["tokens", "tokens75"])
def test_a_control_without_weights_sees_the_tokens_that_dmae_sees(
    preset: str, transform: str
) -> None:
    dmae = {"purifier": "dmae", "init": "scratch", "transform": transform}
    control = {"purifier": "grey_fill", "init": "none", "transform": transform}
    of = ("resnet_small" if preset == "smoke" else "resnet18_32",)
    assert sizes(preset, "cifar10", *of, **control) == sizes(preset, "cifar10", *of, **dmae)


def test_a_dataset_has_the_last_word_over_a_transform() -> None:
    of = {"purifier": "grey_fill", "init": "none", "transform": "tokens"}
    assert sizes("native", "cifar10", "resnet18_32", **of) == (32, 32, 32)
    assert sizes("native", "imagenette", "resnet34", **of) == (256, 128, 256)


def test_l_org_knows_no_classifier_and_has_the_presets_sizes() -> None:
    cell = Cell(dataset="cifar10", classifier="wrn28_10", **WORDS)
    made = presets.get("paper").sizes(cell.base)
    assert made == settings.Sizes(input=256, purifier=256, classifier=256)


def test_an_attack_may_name_the_size_that_is_handed_in() -> None:
    wide = Cell(dataset="cifar10", classifier="wrn28_10")
    large = Cell(dataset="cifar10", classifier="resnet18")
    imagenette = Cell(dataset="imagenette", classifier="resnet34")

    def pixels(cell: Cell, **options: Any) -> int:
        return presets.get("paper").pixels(AttackSpec(method="fgsm", **options), cell)

    assert [pixels(cell) for cell in (wide, large)] == [32, 256]
    assert pixels(large, pixels="native") == 32
    assert pixels(wide, pixels=256) == 256
    assert pixels(imagenette, pixels="native") == 256


def test_the_gradient_through_32_256_32_equals_finite_differences(
    classifier: nn.Module, images: Split, randomness: Randomness
) -> None:
    seen: list[int] = []
    purifier = nn.Conv2d(3, 3, 5, padding=2).double()
    purifier.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[-1]))
    classifier.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[-1]))
    defense = Defense(
        transform=random_transform("rt2"),
        purifier=_Maskless(purifier),
        classifier=classifier.double(),
        sizes=Sizes(input=32, purifier=256, classifier=32),
    )
    draw = randomness.select(slice(0, 2))
    x = (0.2 + 0.6 * images.inputs(32)[:2].double()).requires_grad_()
    weights = torch.linspace(-1, 1, 10).double()

    def value(x: Tensor) -> Tensor:
        return (defense(x, draw) * weights).sum()

    (gradient,) = torch.autograd.grad(value(x), x)
    assert seen == [256, 32]
    assert gradient.shape == (2, 3, 32, 32)
    step = 1e-6
    for direction in (gradient, torch.sin(torch.arange(x.numel())).reshape(x.shape)):
        along = direction / direction.norm()
        slope = (value(x + step * along) - value(x - step * along)) / (2 * step)
        assert slope.item() == pytest.approx((gradient * along).sum().item(), rel=1e-4)


class _Maskless(nn.Module):
    """A purifier that does not look at the mask."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        return self.network(corrupted).sigmoid()  # type: ignore[no-any-return]


def test_a_purifiers_options_may_be_others_for_a_dataset() -> None:
    cell = Cell(dataset="imagenette", classifier="resnet34", purifier="dmae", transform="tokens")
    made = presets.get("native").sizes(cell)
    assert made == settings.Sizes(input=256, purifier=128, classifier=256)
    assert assemble.purifier(presets.get("native"), "dmae", "imagenette").pixels == 128
    assert assemble.purifier(presets.get("native"), "dmae", "cifar10").pixels == 32
