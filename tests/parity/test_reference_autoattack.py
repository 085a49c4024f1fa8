"""Our chain of sub-attacks against the reference AutoAttack: same network, same images."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pyautoattack
import pytest
import torch
from torch import Tensor, nn

from atop.core import checkpoints
from atop.core.randomness import Randomness
from atop.core.values import number
from atop.data.dataset import Dataset, Split
from atop.experiment import paths
from atop.method.registry import build

Network = Callable[[Tensor], Tensor]
Budgets = dict[str, dict[str, Any]]

STANDARD: Budgets = {
    "apgd-ce": {"steps": 100, "eot": 1},
    "apgd-t": {"steps": 100, "eot": 1, "targets": 9},
    "fab-t": {"steps": 100, "targets": 9},
    "square": {"queries": 5000, "rescale": False, "eot": 1},
}
RAND: Budgets = {name: {"steps": 100, "eot": 20} for name in ("apgd-ce", "apgd-dlr")}


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    """The standard-trained CIFAR-10 ResNet-18 that comes with the package."""
    network: nn.Module = build("classifiers", "resnet", classes=10, depth=18, stem="small")
    checkpoints.load(network, paths.resolve("package:pyautoattack/examples/model_test.pt"))
    return network.eval().requires_grad_(False)


class Counting:
    """A network with another noise at every call, whoever calls."""

    def __init__(self, network: Network) -> None:
        self.network, self.calls = network, 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        call = Randomness(0, "call", torch.arange(len(x)), self.calls)
        return self.network(x + 0.004 * call.normal((3, 32, 32), "noise"))


def chain(
    budgets: Budgets, network: Network, split: Split, *, norm: str, eps: str
) -> tuple[Tensor, list[int]]:
    """Our sub-attacks, each on what the one before left, and how many images each one left."""

    def target(x: Tensor, randomness: Randomness) -> Tensor:
        return network(x)

    x, y = split.inputs(32), split.labels
    images, robust = x.clone(), network(x).argmax(1) == y
    left = [int(robust.sum())]
    for attack, row in budgets.items():
        where = robust.nonzero()[:, 0]
        how = {"attack": attack, "version": "official", "norm": norm, "eps": eps}
        method = build("attacks", "autoattack", **how, **row)
        found = method(target, x[where], y[where], Randomness(0, "attack", split.index[where]))
        fooled = network(found).argmax(1) != y[where]
        images[where[fooled]], robust[where[fooled]] = found[fooled], False
        left.append(int(robust.sum()))
    return images, left


def reference(
    version: str, network: Network, split: Split, *, norm: str, eps: str, budgets: Budgets
) -> Tensor:
    """What the library finds; it takes smaller budgets on its sub-attacks only."""
    whole = pyautoattack.AutoAttack(network, norm=norm, eps=number(eps), seed=0, version=version)
    whole.attacks_to_run = list(budgets) or whole.attacks_to_run
    for attack, row in budgets.items():
        if attack == "square":
            whole.square.n_queries = row["queries"]
            whole.square.rescale_schedule = row["rescale"]
        elif attack == "fab-t":
            whole.fab.n_iter, whole.fab.n_target_classes = row["steps"], row["targets"]
        else:
            one = whole.apgd_targeted if attack == "apgd-t" else whole.apgd
            one.n_iter, one.eot_iter = row["steps"], row["eot"]
            shares = (0.22, 0.06, 0.03)  # until the first checkpoint, the last ones, and less each
            one.n_iter_2, one.n_iter_min, one.size_decr = (
                max(int(share * row["steps"]), 1) for share in shares
            )
            whole.apgd_targeted.n_target_classes = row.get("targets", 9)
    images, _ = whole.run_standard_evaluation(split.inputs(32), split.labels)
    return images


@pytest.mark.slow
@pytest.mark.parametrize(
    ("norm", "eps", "rescale"), [("Linf", "1/255", True), ("L2", "0.11", False)]
)
def test_every_sub_attack_is_the_reference(
    resnet: nn.Module, cifar_slice: Dataset, norm: str, eps: str, rescale: bool
) -> None:
    split = cifar_slice.test.take(torch.tensor([83, 51, 1, 6, 39, 3, 48, 0]))
    weakest_first: Budgets = {  # so that each has something to find
        "square": {"queries": 12, "rescale": rescale, "eot": 1},
        "fab-t": {"steps": 3, "targets": 2},
        "apgd-ce": {"steps": 3, "eot": 1},
        "apgd-t": {"steps": 4, "eot": 1, "targets": 2},
    }
    ball = {"norm": norm, "eps": eps}
    images, left = chain(weakest_first, resnet, split, **ball)
    expected = reference("standard", resnet, split, **ball, budgets=weakest_first)
    assert torch.equal(images, expected)
    assert all(before > after for before, after in pairwise([*left, 0]))


@pytest.mark.slow
def test_the_random_version_is_the_reference_call_by_call(
    resnet: nn.Module, cifar_slice: Dataset
) -> None:
    split = cifar_slice.test.take(torch.tensor([1, 6, 39, 0]))
    # the DLR loss first, so that both have something to find
    budgets: Budgets = {name: {"steps": 2, "eot": 3} for name in ("apgd-dlr", "apgd-ce")}
    same_random_version(resnet, split, budgets, smaller=budgets)


@pytest.mark.full
def test_the_whole_random_version_is_the_reference_call_by_call(
    resnet: nn.Module, cifar_slice: Dataset
) -> None:
    split = cifar_slice.test.take(torch.tensor([1, 12]))
    same_random_version(resnet, split, RAND, smaller={})


def same_random_version(
    resnet: nn.Module, split: Split, budgets: Budgets, *, smaller: Budgets
) -> None:
    ball = {"norm": "Linf", "eps": "1/255"}
    ours, theirs = Counting(resnet), Counting(resnet)
    ours.calls = 2  # the library has looked twice by then, at the outputs and at what runs
    images, left = chain(budgets, ours, split, **ball)
    assert torch.equal(images, reference("rand", theirs, split, **ball, budgets=smaller))
    assert ours.calls == theirs.calls
    assert left[0] > left[1] > 0


@pytest.mark.full
@pytest.mark.parametrize(("norm", "eps"), [("Linf", "1/255"), ("L2", "0.11")])
def test_the_whole_standard_version_is_the_reference(
    resnet: nn.Module, cifar_slice: Dataset, norm: str, eps: str
) -> None:
    split = cifar_slice.test.take(torch.tensor([83, 1, 39, 3, 48, 7, 12, 0]))
    ball = {"norm": norm, "eps": eps}
    images, left = chain(STANDARD, resnet, split, **ball)
    assert torch.equal(images, reference("standard", resnet, split, **ball, budgets={}))
    assert left[0] > left[-1] > 0
