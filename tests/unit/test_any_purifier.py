"""A step of training for purifiers and losses that are not DeepFill's: by hand, and in parts."""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.parts import TINY_DMAE, atop_term, gradient, random_transform
from torch import Tensor, nn

from atop.core.errors import AtopError
from atop.data.dataset import Dataset
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.settings.presets import PurifierTraining
from atop.method.purifiers import deepfill, dmae
from atop.method.reconstruction_loss import Loss, PixelLoss
from atop.method.transforms import tokens
from atop.pipeline.training.purifier import Classification, PurifierTrainer

BUDGET = PurifierTraining(
    images=800, batch=8, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05, schedule="constant",
    clip=None,
)  # fmt: skip
CELL = Cell(dataset="cifar10", classifier="resnet18", purifier="deepfill", transform="rt2")
TOKENS = tokens.build(grid=8, missing_rate=0.25, sigma=0.25, noise_pixels=32)
Make = Callable[..., PurifierTrainer]


class Plain(nn.Module):
    """The least that is a purifier: it has no `stages`."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, corrupted: Tensor, mask: Tensor) -> Tensor:
        return self.network(torch.cat((corrupted, mask), dim=1)).sigmoid()  # type: ignore[no-any-return]


KINDS: dict[str, tuple[Callable[[], nn.Module], Loss]] = {
    "plain": (Plain, PixelLoss()),
    "dmae": (lambda: dmae.build(**TINY_DMAE), dmae.MaeLoss()),
}


@pytest.fixture
def atop(classifier: nn.Module) -> Classification:
    return atop_term(classifier)


@pytest.fixture
def make(cifar_slice: Dataset) -> Make:
    """Stages of a kind that start from the same weights; keywords change recipe and budget."""

    def stage(kind: str, classification: Classification | None = None, **said: Any) -> Any:
        recipe = presets.get("paper").recipe(CELL)
        changes = {key: said.pop(key) for key in list(said) if hasattr(recipe, key)}
        torch.manual_seed(0)
        purifier, loss = KINDS[kind]
        return PurifierTrainer(
            purifier=purifier(),
            loss=said.pop("loss", loss),
            transforms=[said.pop("transform", TOKENS)],
            data=cifar_slice.train.take(slice(0, 20)),
            input_size=32,
            resize=lambda x: x,
            recipe=recipe.model_copy(update=changes),
            budget=BUDGET.model_copy(update=said),
            seed=0,
            stream="test",
            classification=classification,
        )

    return stage


def expected(start: nn.Module, loss: Tensor) -> Tensor:
    free = [one for one in start.parameters() if one.requires_grad]
    return torch.cat([one.flatten() for one in torch.autograd.grad(loss, free)])


def test_a_purifier_without_stages_learns_from_what_it_makes(make: Make) -> None:
    stage = make("plain", transform=random_transform("rt2"))
    start = deepcopy(stage.purifier)
    metrics = stage.step(0)
    x, _, randomness = stage._batch(0)
    images, mask = random_transform("rt2")(x, randomness)
    loss = 2 * (start(images[:, 0], mask[:, 0]) - x).abs().mean()
    assert set(metrics) == {"l1"}
    assert metrics["l1"].item() == pytest.approx(loss.item(), rel=1e-5)
    torch.testing.assert_close(gradient(stage), expected(start, loss), rtol=1e-4, atol=1e-7)


def test_under_rt3_a_purifier_without_stages_sees_all_views(make: Make) -> None:
    stage = make("plain", transform=random_transform("rt3"))
    start = deepcopy(stage.purifier)
    metrics = stage.step(0)
    x, _, randomness = stage._batch(0)
    images, mask = random_transform("rt3")(x, randomness)
    with torch.no_grad():
        whole = sum(start(images[:, i], mask[:, i]) * mask[:, i] for i in range(4))
    assert metrics["l1"].item() == pytest.approx(2 * float((whole - x).abs().mean()), rel=1e-5)


@pytest.mark.parametrize("l1_target", ["adversarial", "clean"])
def test_atop_on_dmae_descends_its_own_loss_and_cross_entropy(
    make: Make, atop: Classification, l1_target: str
) -> None:
    stage = make("dmae", atop, l1_target=l1_target, ce_weight=0.3)
    start = deepcopy(stage.purifier)
    metrics = stage.step(0)
    x, labels, randomness = stage._batch(0)
    assert atop.attack is not None
    attacked = atop.attack(x, labels, randomness)
    assert (attacked - x).abs().max() > 0.03

    target = x if l1_target == "clean" else attacked
    views = TOKENS(target, randomness)
    drawn, _ = start.stages(views.images[:, 0], views.mask[:, 0])
    std = torch.tensor(dmae.STD).view(3, 1, 1)
    mae = ((drawn - target) / std).square().mean()  # of what was drawn, also beyond [0, 1]
    views = TOKENS(attacked, randomness)
    ce = F.cross_entropy(atop.classify(start(views.images[:, 0], views.mask[:, 0])), labels)

    assert set(metrics) == {"mae", "ce"}
    assert metrics["mae"].item() == pytest.approx(mae.item(), rel=1e-5)
    assert metrics["ce"].item() == pytest.approx(ce.item(), rel=1e-4)
    flat = expected(start, mae + 0.3 * ce)
    assert (gradient(stage) - flat).norm() < 1e-3 * flat.norm()


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_batch_give_the_gradient_of_the_whole(
    make: Make, atop: Classification, kind: str
) -> None:
    whole, parts = make(kind, atop), make(kind, atop, parts=4)
    seen: list[int] = []
    parts.purifier.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    if kind == "dmae":
        stages = parts.purifier.stages
        parts.purifier.stages = lambda x, mask: seen.append(len(x)) or stages(x, mask)
    told, same = parts.step(0), whole.step(0)
    assert set(seen) == {2}
    assert told.keys() == same.keys()
    for name, value in same.items():
        assert told[name].item() == pytest.approx(value.item(), rel=1e-4)
    flat = gradient(whole)
    assert (gradient(parts) - flat).norm() < 1e-4 * flat.norm()


def test_a_batch_that_does_not_divide_into_its_parts_is_refused(make: Make) -> None:
    with pytest.raises(AtopError, match="a batch of 8 does not divide into 3 parts"):
        make("plain", parts=3)


def test_parts_of_a_batch_share_the_mask_that_the_batch_shares(make: Make) -> None:
    stage = make("dmae", parts=4, mask="per_batch")
    masks: list[Tensor] = []
    stages = stage.purifier.stages
    stage.purifier.stages = lambda x, mask: masks.append(mask) or stages(x, mask)
    stage.step(0)
    assert len(masks) == 4
    assert all(torch.equal(one, masks[0]) for one in masks)
    stage.step(1)
    assert not torch.equal(masks[0], masks[4])


def test_what_has_more_than_one_dimension_decays_and_nothing_else(make: Make) -> None:
    without, decaying = make("dmae", weight_decay=0.0), make("dmae", weight_decay=0.5)
    start = deepcopy(dict(without.purifier.named_parameters()))
    for stage in (without, decaying):
        stage.step(0)
    after = dict(decaying.purifier.named_parameters())
    kinds = set()
    for name, free in without.purifier.named_parameters():
        decays = start[name].ndim > 1 and not name.endswith("pos_embed")  # those do not learn
        pull = 1e-3 * 0.5 * start[name] * decays
        torch.testing.assert_close(after[name] + pull, free, rtol=0, atol=1e-7)
        kinds |= {(start[name].ndim, decays)}
    assert kinds == {(1, False), (2, True), (3, True), (3, False), (4, True)}


def test_both_optimisers_have_the_betas_and_the_decay_of_the_budget(make: Make) -> None:
    recipe = presets.get("paper").recipe(CELL)
    loss = deepfill.build_loss(recipe=recipe.given(), discriminator_width=4)
    stage = make("plain", loss=loss, betas=[0.3, 0.4], weight_decay=0.7)
    assert stage.loss_optimizer
    for optimizer in (stage.optimizer, stage.loss_optimizer):
        assert [list(group["betas"]) for group in optimizer.param_groups] == [[0.3, 0.4]] * 2
        assert [group["weight_decay"] for group in optimizer.param_groups] == [0.7, 0.0]


def cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))


@pytest.mark.parametrize("warmup", [None, 0.4])
def test_the_rate_rises_over_the_warmup_and_falls_after_it(
    make: Make, warmup: float | None
) -> None:
    said = {"warmup": warmup} if warmup else {}
    stage = make("plain", schedule="cosine", images=80, **said)  # ten steps
    rates = []
    for number in range(10):
        stage.step(number)
        rates += {group["lr"] / 1e-3 for group in stage.optimizer.param_groups}
    if warmup:  # as for MAE
        expected = [0, 0.25, 0.5, 0.75, *(cosine(k / 6) for k in range(6))]
    else:
        expected = [0.01, *(cosine(k / 10) for k in range(1, 10))]
    assert rates == pytest.approx(expected)


def test_a_loss_without_networks_has_no_optimiser_and_leaves_no_state(make: Make) -> None:
    recipe = {**presets.get("paper").recipe(CELL).given(), "gan": "off"}
    silent = deepfill.build_loss(recipe=recipe, discriminator_width=4)
    for stage in (make("dmae"), make("plain"), make("plain", loss=silent)):
        assert stage.loss_optimizer is None
        assert set(stage.state_dict()) == {"g", "g_optimizer"}
