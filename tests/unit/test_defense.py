"""The defence as one module: where sizes and ranges change, whose randomness it uses, gradients."""

from typing import Any

import pytest
import torch
from support.parts import random_transform
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.core.resizing import resize
from atop.data.dataset import Split
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.method.defense import Defense, Sizes
from atop.method.purifiers.identity import Identity
from atop.pipeline import assemble

SIZES = Sizes(input=32, purifier=32, classifier=32)
TRANSFORMS = ["none", "rt1", "rt2", "rt3"]


@pytest.fixture
def parts(purifier: nn.Module, classifier: nn.Module) -> dict[str, Any]:
    """A defence's parts in float64, so that comparisons can be tight."""
    return {
        "transform": random_transform("rt2"),
        "purifier": purifier.double(),
        "classifier": classifier.double(),
        "sizes": SIZES,
    }


@pytest.fixture
def x(images: Split) -> Tensor:
    return images.inputs(32).double()


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_an_example_is_treated_alike_in_any_batch(
    parts: dict[str, Any], x: Tensor, randomness: Randomness, transform: str
) -> None:
    defense = Defense(**{**parts, "transform": random_transform(transform)})
    whole = defense(x, randomness)
    order = torch.tensor([5, 0, 7])
    some = defense(x[order], randomness.select(order))
    torch.testing.assert_close(some, whole[order], rtol=0, atol=1e-10)
    if transform != "none":
        assert (defense(x, randomness.at(1)) - whole).abs().max() > 1e-3


def test_purification_and_classification_work_at_their_own_sizes(
    parts: dict[str, Any], x: Tensor, randomness: Randomness
) -> None:
    sizes = Sizes(input=32, purifier=64, classifier=32)
    seen: list[tuple[int, ...]] = []
    parts["classifier"].register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    defense = Defense(**{**parts, "sizes": sizes})
    x.requires_grad_()
    assert defense.purify(x, randomness).shape == (8, 3, 64, 64)
    logits = defense(x, randomness)
    assert logits.shape == (8, 10)
    assert seen == [(8, 3, 32, 32)]
    (gradient,) = torch.autograd.grad(logits.square().sum(), x)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


def test_the_purified_image_is_what_the_parts_make_of_it(
    parts: dict[str, Any], x: Tensor, randomness: Randomness
) -> None:
    defense = Defense(**parts)
    views = parts["transform"](x, randomness)
    purified = parts["purifier"](views.images[:, 0], views.mask[:, 0])
    torch.testing.assert_close(defense.purify(x, randomness), purified, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        defense(x, randomness), parts["classifier"](purified), rtol=0, atol=1e-10
    )


def test_rt3_keeps_views_with_their_images(
    parts: dict[str, Any], x: Tensor, randomness: Randomness
) -> None:
    transform = random_transform("rt3")
    views = transform(x, randomness)
    expected = sum(
        parts["purifier"](views.images[:, i], views.mask[:, i]) * views.mask[:, i] for i in range(4)
    )
    found = Defense(**{**parts, "transform": transform}).purify(x, randomness)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_gradient_equals_finite_differences(
    parts: dict[str, Any], x: Tensor, randomness: Randomness, transform: str
) -> None:
    sizes = Sizes(input=32, purifier=48, classifier=32)
    defense = Defense(**{**parts, "transform": random_transform(transform), "sizes": sizes})
    x, draw = 0.2 + 0.6 * x[:2], randomness.select(slice(0, 2))
    weights = Randomness(0, "weights", torch.arange(2)).normal((10,), "weights").double()

    def value(x: Tensor) -> Tensor:
        return (defense(x, draw) * weights).sum()

    variable = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(variable), variable)
    direction, step = gradient / gradient.norm(), 1e-6
    slope = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    assert float(slope) == pytest.approx(float(gradient.norm()), rel=1e-4)


def test_the_undefended_pipeline_is_the_bare_classifier(
    classifier: nn.Module, images: Split, randomness: Randomness
) -> None:
    cell = Cell(dataset="cifar10_slice", classifier="resnet_small", recipe="official")
    # "native" for its purifier that works at 64 pixels, were there one
    pipeline = assemble.join(presets.get("native"), cell, Identity(), classifier)
    x = images.inputs(32)
    assert torch.equal(pipeline(x), classifier(x))
    assert torch.equal(pipeline(x, randomness), classifier(x))


class Mean(nn.Module):
    """Mean colour as logits: shows what a classifier was handed."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


@pytest.mark.parametrize(("recipe", "expected"), [("paper", 0.25), ("official", -0.5)])
def test_the_range_that_the_classifier_receives(recipe: str, expected: float) -> None:
    cell = Cell(
        dataset="cifar10_slice", classifier="resnet_small", purifier="identity", transform="none"
    )
    defended = Cell(**{**vars(cell), "purifier": "deepfill", "init": "scratch", "recipe": recipe})
    pipeline = assemble.join(presets.get("smoke"), defended, Identity(), Mean())
    logits = pipeline(torch.full((1, 3, 32, 32), 0.25))
    assert logits.flatten().tolist() == pytest.approx([expected] * 3)


def test_resizing_keeps_flat_images_and_averages_downwards() -> None:
    flat = torch.full((1, 3, 32, 32), 0.3)
    assert resize(flat, 64).sub(0.3).abs().max() < 1e-6
    stripes = torch.zeros(1, 3, 32, 32)
    stripes[..., 1::4] = 1
    small = resize(stripes, 8)[..., 1:-1]  # without antialiasing a half
    assert small.sub(0.25).abs().max() < 0.05
    assert resize(flat, 32) is flat
    for shape in ((32, 16), (16, 32)):
        assert resize(torch.zeros(1, 3, *shape), 32).shape == (1, 3, 32, 32)
