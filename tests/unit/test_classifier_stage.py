"""The classifier learns, from batches and rates that are functions of the step."""

from typing import Any
from unittest.mock import ANY

import pytest
import torch
from torch import Tensor

from atop.core.errors import AtopError
from atop.core.execution import Compute
from atop.core.randomness import Randomness
from atop.data.dataset import Dataset, Split
from atop.experiment.settings.presets import ClassifierTraining
from atop.method.attack import Target
from atop.pipeline import assemble
from atop.pipeline.training.classifier import ClassifierTrainer, accuracy
from atop.pipeline.training.schedule import positions, set_rate


def training(data: Split, **changes: Any) -> ClassifierTrainer:
    torch.manual_seed(0)
    compute = Compute(**changes.pop("compute", {}))
    plain = {"epochs": 3, "batch": 32, "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}
    plain["label_smoothing"] = 0.0
    network = assemble.classifier("cifar10_slice", "resnet_small")
    budget = ClassifierTraining(**{**plain, **changes})
    return ClassifierTrainer(network, data, size=32, budget=budget, seed=0, compute=compute)


@pytest.mark.slow
def test_the_classifier_learns(cifar_slice: Dataset) -> None:
    stage = training(cifar_slice.train.take(slice(0, 256)))
    assert stage.steps == 24
    rows = [stage.step(number) for number in range(stage.steps)]
    assert set(rows[0]) == {"loss", "accuracy"}

    def mean(name: str, part: slice) -> float:
        return torch.stack([row[name] for row in rows[part]]).mean().item()

    assert mean("loss", slice(-8, None)) < mean("loss", slice(0, 8)) - 0.2
    assert mean("accuracy", slice(-8, None)) > mean("accuracy", slice(0, 8)) + 0.1


def test_the_classifier_sees_flipped_and_shifted_images(cifar_slice: Dataset) -> None:
    data = cifar_slice.train.take(slice(0, 32))
    stage = training(data)
    seen: list[Tensor] = []
    stage.classifier.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    stage.step(0)
    plain = data.inputs(32)

    def inside(x: Tensor) -> set[bytes]:  # what a shift of up to four pixels never pushes out
        windows = x.unfold(2, 24, 1).unfold(3, 24, 1)[:, :, :9, :9]
        return {w.numpy().tobytes() for w in windows.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)}

    upright, mirrored = (
        [len(inside(x[None]) & {w[:, 4:28, 4:28].numpy().tobytes() for w in source}) > 0
         for x in seen[0]]
        for source in (plain, plain.flip(3))
    )  # fmt: skip
    assert all(a != b for a, b in zip(upright, mirrored, strict=True))
    assert 4 < sum(upright) < 28
    unmoved = {x.numpy().tobytes() for x in torch.cat((plain, plain.flip(3)))}
    assert sum(x.numpy().tobytes() in unmoved for x in seen[0]) < 8


def test_the_classifiers_optimiser_is_the_budgets(cifar_slice: Dataset) -> None:
    data = cifar_slice.train.take(slice(0, 32))
    stage = training(data, momentum=0.7, weight_decay=0.01, lr=0.2)
    (group,) = stage.optimizer.param_groups
    assert (group["momentum"], group["weight_decay"]) == (0.7, 0.01)
    smooth = training(data, label_smoothing=0.5).step(0)["loss"].item()
    assert smooth != pytest.approx(stage.step(0)["loss"].item())
    assert group["lr"] == pytest.approx(0.2 * 0.01)  # cosine with a warm-up


def test_an_epoch_shows_every_image_once_and_the_next_one_in_another_order() -> None:
    options = {"size": 20, "batch": 6, "seed": 0, "stream": "test", "device": torch.device("cpu")}
    shown = [positions(number, **options) for number in range(6)]  # type: ignore[arg-type]
    assert [epoch for _, epoch in shown] == [0, 0, 0, 1, 1, 1]
    first, second = (torch.cat([where for where, _ in shown[k : k + 3]]) for k in (0, 3))
    assert len(first.unique()) == len(second.unique()) == 18
    assert not torch.equal(first, second)
    other = positions(0, **{**options, "stream": "other"})[0]  # type: ignore[arg-type]
    assert not torch.equal(other, shown[0][0])
    other = positions(0, **{**options, "seed": 1})[0]  # type: ignore[arg-type]
    assert not torch.equal(other, shown[0][0])
    with pytest.raises(AtopError, match="a batch of 30 does not fit a dataset of 20 images"):
        positions(0, **{**options, "batch": 30})  # type: ignore[arg-type]


def test_learning_rates() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)

    def rate(schedule: str, progress: float) -> float:
        set_rate(optimizer, base=0.2, schedule=schedule, progress=progress)
        return float(optimizer.param_groups[0]["lr"])

    assert [rate("constant", progress) for progress in (0, 0.5, 0.99)] == [0.2] * 3
    assert rate("cosine", 0) == pytest.approx(0.002)
    assert rate("cosine", 0.05) == pytest.approx(0.2 * 0.51 * 0.9938, rel=1e-3)
    assert rate("cosine", 0.5) == pytest.approx(0.1)
    assert rate("cosine", 0.999) < 1e-6


def test_an_attack_sees_the_classifier_at_rest_and_what_it_makes_is_learned(
    cifar_slice: Dataset,
) -> None:
    data = cifar_slice.train.take(slice(0, 32))
    stage = training(data)
    attacked: list[bool] = []

    def attack(target: Target, x: Tensor, y: Tensor, randomness: Randomness) -> Tensor:
        attacked.append(stage.classifier.training)
        target(x, randomness)
        assert torch.equal(y, data.labels[[int(i) for i in shown(randomness, data)]])
        return torch.zeros_like(x)

    before = {name: value.clone() for name, value in stage.classifier.named_buffers()}
    stage.attack = attack
    seen: list[tuple[bool, Tensor]] = []
    stage.classifier.register_forward_pre_hook(
        lambda network, args: seen.append((network.training, args[0]))
    )
    stage.step(0)
    assert attacked == [False]
    (at_rest, clean), (learning, learned) = seen
    assert (at_rest, learning) == (False, True)
    assert clean.max() > 0
    assert learned.max() == 0
    steps = "bn.num_batches_tracked"
    assert stage.classifier.get_buffer(steps) == before[steps] + 1


def shown(randomness: Randomness, data: Split) -> Tensor:
    """Where the examples of a batch lie in a split."""
    return (data.index[None] == randomness.index[:, None]).int().argmax(1)


def test_bfloat16_and_channels_last_learn_the_same(cifar_slice: Dataset) -> None:
    data = cifar_slice.train.take(slice(0, 32))
    plain = training(data)
    fast = training(data, compute={"precision": "bfloat16", "channels_last": True})
    dtypes: list[torch.dtype] = []
    fast.classifier.stem.register_forward_hook(lambda *args: dtypes.append(args[2].dtype))  # type: ignore[union-attr, operator]
    losses = [stage.step(0)["loss"] for stage in (plain, fast)]
    assert dtypes == [torch.bfloat16]
    assert fast.classifier.stem.weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore[union-attr, operator]
    assert losses[1].dtype == torch.float32
    assert losses[0] != losses[1]
    torch.testing.assert_close(*losses, rtol=0.02, atol=0)


def test_accuracy_is_of_the_classifier_at_rest_on_every_image(cifar_slice: Dataset) -> None:
    data = cifar_slice.test.take(slice(0, 50))
    network = training(data, batch=10).classifier.train()
    found = accuracy(network, data, size=32, batch=16)
    assert not network.training
    right = (network(data.inputs(32)).argmax(1) == data.labels).float().mean() * 100
    assert found == {"n": 50, "value": pytest.approx(right.item()), "low": ANY, "high": ANY}
    assert found["low"] < found["value"] < found["high"]
