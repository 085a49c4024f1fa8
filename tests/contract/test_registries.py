"""The contract of each registry, over every member: a new file is tested by being there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from support.parts import TINY_DMAE
from torch import Tensor, nn

from atop.core.errors import AtopError
from atop.core.randomness import Randomness
from atop.core.values import number
from atop.data.dataset import Split
from atop.experiment import config, presets
from atop.experiment.cells import Cell
from atop.experiment.settings.inputs import ClassifierSpec, Transforms
from atop.method.attack import Attack
from atop.method.registry import KINDS, build, members, module_of
from atop.method.transform import FixedMask, Transform, patch_ranks

PURIFIER_OPTIONS: dict[str, dict[str, Any]] = {
    "deepfill": {"width": 4},
    "dmae": TINY_DMAE,
}
BLIND = {"deepfill", "dmae", "grey_fill"}  # to what is missing
BOUNDED = {"deepfill", "dmae"}  # whatever they are shown
WITHOUT_WEIGHTS = {"identity", "grey_fill"}  # controls
NOT_CLIPPED = {"tokens", "tokens75"}
ATTACKS = config.attacks().attacks
TRANSFORMS = config.load("transforms", Transforms)
ORDER = torch.tensor([2, 0, 3])
KEYS = Path(__file__).parents[1] / "parity" / "fixtures" / "keys.json"


def different(rows: dict[str, ClassifierSpec]) -> list[str]:
    """Names of rows, one of those with the same options or the same published state dict."""
    published = json.loads(KEYS.read_text())["networks"]
    kinds = {
        published.get(name, json.dumps([row.family, row.options])): name
        for name, row in reversed(rows.items())
    }
    return list(reversed(kinds.values()))


def timed(name: str) -> Any:
    """A classifier's name, marked where it takes long."""
    slow = CLASSIFIERS[name].family in ("robustbench", "wideresnet")
    return pytest.param(name, marks=pytest.mark.slow) if slow else name


CLASSIFIERS = config.classifiers()


@pytest.fixture
def x(images: Split) -> Tensor:
    """Four images in float64, the first black, the second white."""
    x = images.inputs(32)[:4].double()
    x[0], x[1] = 0, 1
    return x


@pytest.fixture
def draw(randomness: Randomness) -> Randomness:
    return randomness.select(slice(0, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_members_say_what_they_are(kind: str) -> None:
    assert members(kind)
    for name in members(kind):
        assert (module_of(kind, name).__doc__ or "").strip(), f"{kind}/{name} has no docstring"


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(kind: str) -> None:
    known = re.escape(", ".join(members(kind)))
    with pytest.raises(AtopError, match=f"no 'nonsense' in atop/method/{kind}/: known are {known}"):
        build(kind, "nonsense")
    with pytest.raises(AtopError, match="no '_base'"):
        build(kind, "_base")


@pytest.mark.parametrize("kind", KINDS)
def test_options_that_a_member_does_not_take_are_refused(kind: str) -> None:
    for name in members(kind):
        with pytest.raises(AtopError, match=f"{kind}/{name}: options .*nonsense"):
            build(kind, name, nonsense=1)


@pytest.mark.parametrize("name", [timed(name) for name in different(CLASSIFIERS)])
def test_classifier(name: str, x: Tensor) -> None:
    torch.manual_seed(0)
    row = CLASSIFIERS[name]
    classes = 100 if row.options.get("dataset") == "cifar100" else 10
    network: nn.Module = build("classifiers", row.family, classes=classes, **row.options).eval()
    size = sum(parameter.numel() for parameter in network.parameters())
    if size > 40_000_000:  # seconds for an image
        with torch.no_grad():
            logits = network(x[3:].float())
        assert logits.shape == (1, classes)
        assert torch.isfinite(logits).all()
        return
    x = x.float() if size > 30_000_000 else x
    network.to(x.dtype)
    x.requires_grad_()
    logits = network(x)
    assert logits.shape == (4, classes)
    assert torch.isfinite(logits).all()
    some, tolerance = network(x[ORDER]), 1e-4 if x.dtype == torch.float32 else 1e-8
    torch.testing.assert_close(some, logits[ORDER], rtol=tolerance, atol=tolerance)
    (gradient,) = torch.autograd.grad(logits.square().sum(), x)
    assert (gradient[2:].flatten(1).norm(dim=1) > 0).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_has_the_classes_that_it_is_asked_for(name: str) -> None:
    row = CLASSIFIERS[name]
    if row.family == "robustbench":
        with pytest.raises(AtopError, match="classes, the dataset 7"):
            build("classifiers", row.family, classes=7, **row.options)
        return
    with torch.device("meta"):
        network = build("classifiers", row.family, classes=7, **row.options)
        assert network(torch.zeros(4, 3, 32, 32)).shape == (4, 7)


@pytest.mark.parametrize("name", members("purifiers"))
def test_purifier(name: str, x: Tensor, draw: Randomness) -> None:
    torch.manual_seed(0)
    purifier: nn.Module = build("purifiers", name, **PURIFIER_OPTIONS.get(name, {})).double()
    with torch.no_grad():  # a deep one draws the same grey at first, whatever it is shown
        for parameter in purifier.parameters():
            if parameter.ndim > 1 and parameter.requires_grad:
                nn.init.kaiming_uniform_(parameter).mul_(2)
    x.requires_grad_()
    # Whole patches, as many in each image, as every transform of an image has them.
    mask = (patch_ranks(x, draw, grid=8) < 16).double()
    images = purifier(x * (1 - mask), mask)
    assert images.shape == x.shape
    assert images.dtype == x.dtype
    assert images.min() >= 0
    assert images.max() <= 1
    assert (images[2:].flatten(1).std(dim=1) > 1e-3).all()
    some = purifier((x * (1 - mask))[ORDER], mask[ORDER])
    torch.testing.assert_close(some, images[ORDER], rtol=0, atol=1e-10)
    (gradient,) = torch.autograd.grad(images.sum(), x)
    assert torch.isfinite(gradient).all()
    assert (gradient[2:].flatten(1).norm(dim=1) > 0).all()
    if name in BLIND:
        noise = 10 * draw.normal((3, 32, 32), "noise").double()
        same = purifier(x * (1 - mask) + noise * mask, mask)
        torch.testing.assert_close(same, images, rtol=0, atol=1e-10)
    if name in BOUNDED:
        beyond = purifier(10 * draw.normal((3, 32, 32), "noise").double(), mask)
        assert beyond.min() >= 0
        assert beyond.max() <= 1


@pytest.mark.parametrize("name", members("purifiers"))
def test_a_purifier_has_weights_or_is_a_control(name: str) -> None:
    purifier: nn.Module = build("purifiers", name, **PURIFIER_OPTIONS.get(name, {}))
    assert any(True for _ in purifier.parameters()) == (name not in WITHOUT_WEIGHTS)


def test_controls_leave_what_is_there_and_fill_holes_with_black_or_grey(
    x: Tensor, draw: Randomness
) -> None:
    mask = (patch_ranks(x, draw, grid=8) < 16).double()
    corrupted = 1.5 * x * (1 - mask)  # as unclipped noise may leave it
    for name, fill in (("identity", 0.0), ("grey_fill", 0.5)):
        images = build("purifiers", name)(corrupted, mask)
        holes = mask.expand_as(x) == 1
        assert torch.equal(images[~holes], corrupted[~holes])
        assert (images[holes] == fill).all()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transform(name: str, x: Tensor, draw: Randomness) -> None:
    cell = Cell(dataset="cifar10", classifier="resnet18", transform=name)
    method, options = presets.get("smoke").transform(cell)
    transform: Transform = build("transforms", method, **options)
    x.requires_grad_()
    images, mask = transform(x, draw)
    views = images.shape[1]
    assert images.shape == (4, views, 3, 32, 32)
    assert mask.shape == (4, views, 1, 32, 32)
    assert images.dtype == mask.dtype == x.dtype
    inside = images.min() >= 0 and images.max() <= 1
    assert inside == (name not in NOT_CLIPPED)
    assert ((mask == 0) | (mask == 1)).all()
    assert (images * mask == 0).all()
    for again, first in zip(transform(x[ORDER], draw.select(ORDER)), (images, mask), strict=True):
        assert torch.equal(again, first[ORDER])
    (gradient,) = torch.autograd.grad(images.sum(), x)
    kept = (mask == 0).any(dim=1).expand_as(x)
    assert (gradient[~kept] == 0).all()
    assert (gradient[2:].flatten(1).norm(dim=1) > 0).all()
    purified = draw.uniform((views, 3, 32, 32), "purified").to(x.dtype)
    combined = transform.combine(purified, mask)
    assert combined.shape == x.shape
    assert (combined <= purified.amax(dim=1)).all()
    assert (combined >= purified.amin(dim=1)).all()
    if "grid" in options:  # its patches are drawn by patch_ranks, so an ablation can fix them
        fixed = FixedMask(transform)(x, draw).mask
        assert (fixed == fixed[:1]).all()
        assert torch.equal(FixedMask(transform)(x, draw.at(5)).mask, fixed)


def test_every_member_has_a_row_of_the_config() -> None:
    methods = {row.get("method", name) for name, row in TRANSFORMS.items()}
    assert methods == set(members("transforms"))
    families = {row.family for row in CLASSIFIERS.values()}
    assert families | {"external"} == set(members("classifiers"))  # rows of users alone have it
    assert {row.method for row in ATTACKS.values()} == set(members("attacks"))


@pytest.mark.parametrize("name", members("attacks"))
def test_an_attack_says_what_it_takes(name: str) -> None:
    assert module_of("attacks", name).workload


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(
    name: str, x: Tensor, images: Split, draw: Randomness, classifier: nn.Module
) -> None:
    method, budget = ATTACKS[name].method, ATTACKS[name].options
    small = {"steps": 3, "eot": 2, "queries": 10, "targets": 2}
    budget |= {key: value for key, value in small.items() if key in budget}
    attack: Attack = build("attacks", method, **budget)
    network = classifier.double()

    def target(x: Tensor, randomness: Randomness) -> Tensor:
        logits: Tensor = network(x + 0.1 * randomness.normal((3, 32, 32), "noise"))
        return logits

    y = images.labels[:4]
    found = attack(target, x, y, draw)
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    assert not found.requires_grad
    assert torch.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1
    if "eps" in budget:
        delta = (found - x).flatten(1)
        distance = {"Linf": delta.abs().amax(1), "L2": delta.norm(dim=1)}[budget["norm"]]
        assert distance.max() <= number(budget["eps"]) + 1e-9
    for nothing in ({"eps": "0"}, {"bound": "0"}, {"steps": 0, "random_start": False}):
        if nothing.keys() <= budget.keys() or (set(nothing) & {"steps"} and "steps" in budget):
            changes = {key: value for key, value in nothing.items() if key in budget}
            none = build("attacks", method, **{**budget, **changes})
            assert torch.equal(none(target, x, y, draw), x), nothing
    if method == "autoattack":
        return  # the reference draws for its whole batch at once
    some = attack(target, x[ORDER], y[ORDER], draw.select(ORDER))
    torch.testing.assert_close(some, found[ORDER], rtol=0, atol=1e-9)
