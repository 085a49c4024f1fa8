"""What bfloat16 costs: attacks in strength, training in its loss curve.

Measured with `--benchmark-enable`; otherwise a few steps show that it can be. An attack may use
bfloat16 in a preset (`compute`) only while the interval of its cost lies below one point.
"""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from finetuning import CELL, PAPER, atop_stage
from measuring import DEVICE
from torch import Tensor, nn

from atop.core import checkpoints, stats
from atop.core.execution import FLOAT32, Compute
from atop.core.randomness import Randomness
from atop.core.resizing import resize
from atop.data import embedded
from atop.data.dataset import Dataset
from atop.method.attacks.pgd import build as build_pgd
from atop.method.defense import Defense
from atop.method.eot import BatchedTarget
from atop.method.purifiers import deepfill
from atop.method.registry import build
from atop.pipeline.attacking.runner import candidates

BFLOAT16 = Compute(precision="bfloat16")
BUDGETS = {"classifier": {"steps": 20, "eot": 1}, "defense": {"steps": 10, "eot": 4}}
DRAWS = 20
pytestmark = pytest.mark.benchmark(group="What bfloat16 costs")
SEEDS, WINDOW = 3, 30
TERMS = ("l1", "ce")


@pytest.mark.parametrize("target", ["classifier", "defense"])
def test_what_an_attack_loses(
    benchmark: Any, cifar_slice: Dataset, defense: Defense, target: str
) -> None:
    """PGD through bfloat16 and through float32 from the same start, both judged in float32."""
    count = 512 if benchmark.enabled else 4
    split = cifar_slice.test.take(slice(0, count)).to(DEVICE)
    budget: dict[str, Any] = {**BUDGETS[target], "random_start": True}
    pgd = build_pgd(norm="Linf", eps="8/255", step_size="2/255", **budget)
    network = defense if target == "defense" else lambda x, _: defense.classify(x)

    def right(compute: Compute) -> np.ndarray[Any, np.dtype[np.bool_]]:
        hits = []
        for few in (split.take(slice(k, k + 32)) for k in range(0, count, 32)):
            x, draw = few.inputs(32), Randomness(0, "attack", few.index)
            batched = BatchedTarget(network, rows=32, random=target == "defense", compute=compute)
            with compute.arithmetic():
                (x_adv,) = candidates(pgd, batched, x, few.labels, draw)
            hits.append(torch.stack([_right(defense, x_adv, few, k) for k in range(DRAWS)]))
        return torch.cat(hits, dim=1).cpu().numpy()

    exact = right(FLOAT32)
    coarse = benchmark.pedantic(right, args=(BFLOAT16,), rounds=1)
    cost = stats.paired(coarse, exact)
    assert np.isfinite(cost.value)
    if benchmark.enabled:
        points = {"points": cost.value, "low": cost.low, "high": cost.high}
        benchmark.extra_info |= {key: round(value, 2) for key, value in points.items()}
        of = {"classifier": "PGD-20, grey box", "defense": "PGD-10, EOT 4, whole defence"}[target]
        what = (
            f"{of}, RT2 of preset smoke, n = {count}: accuracy that bfloat16 leaves, less float32"
        )
        benchmark.extra_info |= {
            "what": what,
            "target": target,
            "left": round(100 * exact.mean(), 1),
        }


@torch.no_grad()
@FLOAT32.arithmetic()
def _right(defense: Defense, x: Tensor, few: Any, draw: int) -> Tensor:
    return defense(x, Randomness(0, "evaluate", few.index, draw)).argmax(1) == few.labels


@pytest.mark.parametrize("term", ["l1", "ce"])
def test_how_far_a_loss_curve_strays(
    benchmark: Any, curves: tuple[Tensor, Tensor], term: str
) -> None:
    """How far bfloat16 is from float32, as a share of how far seeds are from each other."""
    half, seeds = (one[..., TERMS.index(term)] for one in curves)
    apart = [_distance(a, b) for a, b in combinations(seeds, 2)]
    share = _distance(half, seeds[0]) / (sum(apart) / len(apart))
    assert np.isfinite(share)
    benchmark.pedantic(lambda: None, rounds=1)
    if benchmark.enabled:
        name = {"l1": "L1", "ce": "cross-entropy"}[term]
        what = f"{name} of AToP, {WINDOW * len(half)} steps: bfloat16 from float32, seeds apart = 1"
        benchmark.extra_info |= {"what": what, "apart": round(share, 3)}
        assert share < 1


@pytest.fixture(scope="module")
def curves(request: pytest.FixtureRequest, cifar_slice: Dataset) -> tuple[Tensor, Tensor]:
    """Losses (windows, terms) in bfloat16, and (seeds, windows, terms) in float32."""
    whole = request.config.getoption("benchmark_enable")
    steps = 10 * WINDOW if whole else 2
    half = _curve(cifar_slice, 0, steps, BFLOAT16)
    return half, torch.stack([_curve(cifar_slice, k, steps, FLOAT32) for k in range(SEEDS)])


class Reduced(nn.Module):
    """The embedded classifier, for images of any size."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(resize(x, 32))
        return logits


def _curve(data: Dataset, seed: int, steps: int, compute: Compute) -> Tensor:
    """Losses of AToP over windows: at the size of preset smoke on a CPU, of paper on a GPU."""
    torch.manual_seed(seed)
    pixels, width = (256, 48) if DEVICE.type == "cuda" else (48, 8)
    network = deepfill.build(width=width)
    if width == 8:
        checkpoints.load(network, embedded.FOLDER / "deepfill.safetensors")
    f = build("classifiers", "resnet_small", classes=10)
    checkpoints.load(f, embedded.FOLDER / "resnet_small.safetensors")
    stage = atop_stage(
        data.train.to(DEVICE),
        network.to(DEVICE),
        Reduced(f).to(DEVICE).eval().requires_grad_(False),
        pixels=pixels,
        batch=8,
        recipe=PAPER.recipe(replace(CELL, recipe="paper")).model_copy(update={"gan": "off"}),
        compute=compute,
    )
    stage.seed = seed
    found = [stage.step(number) for number in range(steps)]
    losses = torch.stack([torch.stack([one[term] for term in TERMS]) for one in found])
    return losses.reshape(-1, min(WINDOW, steps), len(TERMS)).mean(1).cpu()


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean().sqrt())
