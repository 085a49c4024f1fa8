"""A step of training against Algorithm 1 and Eq. 9; what each setting of a recipe does."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.parts import atop_term, gradient, random_transform
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.data.dataset import Dataset
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.settings.base import Model
from atop.experiment.settings.presets import PurifierTraining
from atop.method.purifiers import deepfill
from atop.method.transform import SingleView, Transform, Views
from atop.pipeline.training.augment import shift
from atop.pipeline.training.purifier import Classification, PurifierTrainer

CELL = Cell(
    dataset="cifar10", classifier="resnet18", purifier="deepfill", init="scratch", transform="rt2"
)
BUDGET = PurifierTraining(
    images=400, batch=4, lr=1e-3, betas=(0.5, 0.999), weight_decay=0, schedule="constant", clip=None
)
CPU = torch.device("cpu")
Make = Callable[..., PurifierTrainer]


@dataclass
class Recorder(SingleView):
    """A transform that keeps what it made."""

    transform: Transform
    views: list[Views]

    def __call__(self, x: Tensor, randomness: Randomness) -> Views:
        self.views.append(self.transform(x, randomness))
        return self.views[-1]


@pytest.fixture
def atop(classifier: nn.Module) -> Classification:
    return atop_term(classifier)


@pytest.fixture
def make(purifier: nn.Module, cifar_slice: Dataset) -> Make:
    """Stages that start from the same weights; keywords change recipe, budget and the rest."""

    def stage(classification: Classification | None = None, **changes: Any) -> PurifierTrainer:
        def changed(settings: Model) -> Model:
            own = {key: changes.pop(key) for key in list(changes) if hasattr(settings, key)}
            return settings.model_copy(update=own)

        recipe, budget = changed(presets.get("paper").recipe(CELL)), changed(BUDGET)
        torch.manual_seed(0)
        options = {
            "transforms": [random_transform("rt2")],
            "data": cifar_slice.train.take(slice(0, 20)),
            "input_size": 32,
            "seed": 0,
            "stream": "test",
        }
        return PurifierTrainer(
            purifier=deepcopy(purifier).requires_grad_(True),
            loss=deepfill.build_loss(recipe=recipe.given(), discriminator_width=4),
            resize=lambda x: x,
            recipe=recipe,
            budget=budget,
            classification=classification,
            **{**options, **changes},
        )

    return stage


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean distance in the networks' range."""
    return 2 * (a - b).abs().mean()


@pytest.mark.parametrize("gan", ["full", "detached", "off"])
@pytest.mark.parametrize("l1_target", ["adversarial", "clean"])
def test_a_step_descends_the_gradient_of_equation_9(
    make: Make, atop: Classification, gan: str, l1_target: str
) -> None:
    stage = make(atop, gan=gan, l1_target=l1_target, ce_weight=0.3)
    start = deepcopy(stage.purifier)
    metrics = stage.step(0)

    x, labels, randomness = stage._batch(0)
    assert atop.attack is not None
    attacked = atop.attack(x, labels, randomness)
    assert (attacked - x).abs().max() > 0.03
    target = x if l1_target == "clean" else attacked
    views = random_transform("rt2")(target, randomness)
    coarse, refined = start.stages(views.images[:, 0], views.mask[:, 0])
    term = torch.zeros(())
    if gan != "off":
        judge = stage.loss.discriminator.eval()  # after its own step, with the last power iteration
        term = -judge(2 * refined - 1, views.mask[:, 0]).mean()
    views = random_transform("rt2")(attacked, randomness)
    ce = F.cross_entropy(atop.classify(start(views.images[:, 0], views.mask[:, 0])), labels)
    distance = l1(coarse, target) + l1(refined, target)
    loss = distance + 0.3 * ce + (term if gan == "full" else 0)
    expected = torch.autograd.grad(loss, list(start.parameters()))

    assert metrics["l1"].item() == pytest.approx(distance.item(), rel=1e-5)
    assert metrics["ce"].item() == pytest.approx(ce.item(), rel=1e-4)
    assert set(metrics) == {"l1", "ce"} | (set() if gan == "off" else {"gan", "d"})
    if gan != "off":
        assert metrics["gan"].item() == pytest.approx(term.item(), rel=1e-3)
    flat = torch.cat([one.flatten() for one in expected])
    torch.testing.assert_close(gradient(stage), flat, rtol=1e-3, atol=1e-5 * float(flat.norm()))


def test_the_target_of_l1_is_adversarial_only_where_there_is_an_attack(
    make: Make, atop: Classification
) -> None:
    bare = make().step(0)
    assert set(bare) == {"l1", "gan", "d"}
    clean = make(replace(atop, attack=None)).step(0)
    assert set(clean) == {"l1", "gan", "ce", "d"}
    assert torch.equal(clean["l1"], bare["l1"])
    assert torch.equal(make(atop, l1_target="clean").step(0)["l1"], bare["l1"])
    assert not torch.equal(make(atop).step(0)["l1"], bare["l1"])
    assert make(atop).step(0)["ce"] > clean["ce"]


def test_without_lambda_the_step_is_that_of_l_org_and_with_it_cross_entropy_falls(
    make: Make, atop: Classification
) -> None:
    plain = make(replace(atop, attack=None), ce_weight=0.0)
    org = make()
    plain.step(0)
    org.step(0)
    torch.testing.assert_close(gradient(plain), gradient(org), rtol=1e-5, atol=1e-7)
    strong = make(atop, ce_weight=100.0)
    losses = [strong.step(0)["ce"].item() for _ in range(6)]
    assert losses[-1] < losses[0]


def test_the_gan_term_reaches_the_purifier_only_in_full(make: Make) -> None:
    def after(gan: str, seed: int) -> Tensor:
        stage = make(gan=gan)
        torch.manual_seed(seed)
        other = deepfill.build_loss(recipe=stage.recipe.given(), discriminator_width=4)
        stage.loss.load_state_dict(other.state_dict())
        stage.step(0)
        return gradient(stage)

    assert torch.equal(after("detached", 1), after("detached", 2))
    assert torch.equal(after("detached", 1), after("off", 1))
    assert not torch.allclose(after("full", 1), after("full", 2))


def test_the_discriminator_learns_to_tell_purified_from_real(make: Make) -> None:
    stage = make(gan="detached")
    x, _, randomness = stage._batch(0)
    views = random_transform("rt2")(x, randomness)
    mask = views.mask[:, 0]
    fake = stage.purifier(views.images[:, 0], mask).detach()

    @torch.no_grad()
    def gap() -> float:
        judge = deepcopy(stage.loss.discriminator).eval()
        return float(judge(2 * x - 1, mask).mean() - judge(2 * fake - 1, mask).mean())

    before = gap()
    rows = [stage.step(0) for _ in range(15)]
    assert gap() > before + 0.01
    assert rows[-1]["d"] < rows[0]["d"]


@pytest.mark.parametrize("spectral_norm", ["parametrized", "in_place"])
def test_both_networks_train_and_the_classifier_stays_bitwise(
    make: Make, atop: Classification, classifier: nn.Module, spectral_norm: str
) -> None:
    frozen = deepcopy(classifier.state_dict())
    stage = make(atop, spectral_norm=spectral_norm)
    before = deepcopy(stage.state_dict())
    for number in range(2):
        stage.step(number)
    after = stage.state_dict()
    for network in ("g", "loss"):
        names = [key for key in before[network] if key.endswith(("bias", "weight", "original"))]
        same = [key for key in names if torch.equal(before[network][key], after[network][key])]
        assert len(same) < 0.1 * len(names)
    assert all(torch.equal(frozen[key], value) for key, value in classifier.state_dict().items())
    assert all(parameter.grad is None for parameter in classifier.parameters())
    assert not classifier.training


def test_cross_entropy_joins_after_so_many_images(make: Make, atop: Classification) -> None:
    stage = make(atop, ce_after_images=8)
    assert ["ce" in stage.step(number) for number in range(4)] == [False, False, True, True]


@pytest.mark.parametrize("mask", ["per_batch", "per_example"])
def test_masks_are_per_batch_or_per_example_and_new_in_every_step(make: Make, mask: str) -> None:
    recorder = Recorder(random_transform("rt2"), [])
    stage = make(mask=mask, transforms=[recorder])
    for number in range(3):
        stage.step(number)
    masks = [views.mask for views in recorder.views]
    assert all((one == one[:1]).all() == (mask == "per_batch") for one in masks)
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[1], masks[2])
    noisy = recorder.views[0].images
    assert not torch.equal(noisy[0], noisy[1])


def test_an_example_gets_another_mask_in_every_epoch(make: Make) -> None:
    recorder = Recorder(random_transform("rt1"), [])
    stage = make(transforms=[recorder], gan="off", data=make().data.take(slice(0, 4)))
    for number in range(6):
        stage.step(number)
    masks = torch.cat([views.mask for views in recorder.views]).flatten(1)
    assert len(masks.unique(dim=0)) == 24


def test_a_step_knows_nothing_of_the_gradient_before_it(make: Make) -> None:
    stage = make(gan="off", lr=1e-12)
    stage.step(0)
    first = gradient(stage).clone()
    stage.step(0)
    torch.testing.assert_close(gradient(stage), first, rtol=1e-4, atol=1e-7)


def test_both_networks_have_the_published_optimiser(make: Make) -> None:
    stage = make(lr=0.01, schedule="cosine")
    networks = (stage.purifier, stage.loss)
    twins = [deepcopy(network) for network in networks]
    adams = [torch.optim.Adam(twin.parameters(), betas=(0.5, 0.999)) for twin in twins]
    for number in (50, 51):  # of 100 steps
        stage.step(number)
        for network, twin, adam in zip(networks, twins, adams, strict=True):
            adam.param_groups[0]["lr"] = 0.005 * (1 + math.cos(math.pi * number / 100))
            for mine, its in zip(network.parameters(), twin.parameters(), strict=True):
                its.grad = mine.grad
            adam.step()
            for mine, its in zip(network.parameters(), twin.parameters(), strict=True):
                torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-6)


def test_several_transforms_take_turns(make: Make) -> None:
    recorders = [Recorder(random_transform(name), []) for name in ("rt1", "rt2")]
    stage = make(transforms=recorders)
    for number in range(3):
        stage.step(number)
    assert [len(recorder.views) for recorder in recorders] == [2, 1]


def test_rt3_losses_see_the_combined_image(make: Make) -> None:
    stage = make(transforms=[random_transform("rt3")], gan="detached")
    start = deepcopy(stage.purifier)
    seen: list[Tensor] = []
    stage.loss.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    metrics = stage.step(0)
    x, _, randomness = stage._batch(0)
    images, mask = random_transform("rt3")(x, randomness)
    with torch.no_grad():
        parts = [start.stages(images[:, i], mask[:, i]) for i in range(4)]
    coarse, refined = (sum(part[k] * mask[:, i] for i, part in enumerate(parts)) for k in (0, 1))
    assert metrics["l1"].item() == pytest.approx(float(l1(coarse, x) + l1(refined, x)), rel=1e-5)
    assert [mask.shape for mask in seen] == [(8, 1, 32, 32), (4, 1, 32, 32)]
    assert all((mask == 1).all() for mask in seen)  # every pixel was missing in one view


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    make: Make, atop: Classification
) -> None:
    def weights(**changes: Any) -> Tensor:
        stage = make(atop, **changes)
        torch.manual_seed(changes.get("seed", 17))
        for number in range(3):
            stage.step(number)
        return torch.cat([p.detach().flatten() for p in stage.purifier.parameters()])

    first = weights()
    assert torch.equal(first, weights())
    assert not torch.equal(first, weights(seed=1))
    assert not torch.equal(first, weights(stream="other"))


def test_clip_bounds_the_gradient(make: Make) -> None:
    stage = make(clip=1e-3)
    stage.step(0)
    assert float(gradient(stage).norm()) == pytest.approx(1e-3, rel=1e-3)
    stage = make()
    stage.step(0)
    assert gradient(stage).norm() > 0.01


def test_images_are_flipped_and_enlarged_on_the_way_in(make: Make) -> None:
    stage = make(input_size=64)
    x, labels, randomness = stage._batch(1)
    assert x.shape == (4, 3, 64, 64)
    known = stage.data.index.tolist()
    part = stage.data.take(torch.tensor([known.index(i) for i in randomness.index]))
    assert torch.equal(part.labels, labels)
    plain = part.inputs(64)
    same = [bool(torch.equal(a, b)) for a, b in zip(x, plain, strict=True)]
    mirrored = [bool(torch.equal(a.flip(2), b)) for a, b in zip(x, plain, strict=True)]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    drawn = [stage._batch(number) for number in range(10)]
    assert len({float(x.sum()) for x, _, _ in drawn}) == 10


def test_images_are_shifted_after_the_flip_where_the_dataset_says_so(make: Make) -> None:
    stage = make(shift=5)
    x, _, randomness = stage._batch(0)
    still, _, _ = make()._batch(0)
    assert not torch.equal(x, still)
    flipped = (still * 255).round().permute(0, 2, 3, 1)
    moved = shift(flipped, randomness, most=5).permute(0, 3, 1, 2)
    assert torch.equal((x * 255).round(), moved)
