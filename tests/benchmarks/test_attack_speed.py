"""What attacks cost: images a second, over the bare passes, and beside the libraries' own.

A comparison times both sides in turn, several times, and keeps the median of the ratios; the
outcomes of both must be equal. torchattacks is no dependency of this suite:
`pip install --no-deps torchattacks==3.5.1`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from measuring import DEVICE
from torch import Tensor, nn

from atop.core.randomness import Randomness
from atop.data.dataset import Dataset
from atop.method.attack import cross_entropy
from atop.method.attacks.autoattack import build as build_autoattack
from atop.method.attacks.pgd import build as build_pgd
from atop.method.defense import Defense
from atop.method.eot import BatchedTarget, eot_gradient
from atop.method.registry import build
from atop.method.threat_models import project
from atop.pipeline.attacking.batches import batches

EPS, STEP = 8 / 255, 2 / 255
PGD: dict[str, Any] = {"norm": "Linf", "eps": "8/255", "step_size": "2/255", "random_start": False}
BESIDE = pytest.mark.benchmark(group="Beside others")
Run = Callable[[], Tensor]
Measure = Callable[..., Any]
Compare = Callable[[Run, Run, str], tuple[Tensor, Tensor]]


@pytest.fixture
def images_32(cifar_slice: Dataset) -> tuple[Tensor, Tensor, Randomness]:
    """Thirty-two images, their labels and a draw."""
    split = cifar_slice.test.take(slice(0, 32)).to(DEVICE)
    return split.inputs(32), split.labels, Randomness(0, "attack", split.index)


def bare_pgd(target: Any, x: Tensor, y: Tensor, draw: Randomness, steps: int, eot: int) -> Tensor:
    """PGD as its passes and nothing else: one draw a pass."""
    x_adv = x
    for step in range(steps):
        total = torch.zeros_like(x)
        for k in range(step * eot, (step + 1) * eot):
            moved = x_adv.detach().requires_grad_(True)
            loss = cross_entropy(target(moved, draw.at(k)), y).sum()
            total += torch.autograd.grad(loss, moved)[0]
        x_adv = project(x_adv.detach() + STEP * total.sign(), x, EPS, "Linf")
    return x_adv


@BESIDE
def test_pgd_over_its_passes(
    compare: Compare, classifier: nn.Module, images_32: tuple[Tensor, Tensor, Randomness]
) -> None:
    x, y, draw = images_32
    network = classifier.to(DEVICE)
    target = BatchedTarget(lambda x, _: network(x), rows=32, random=False)
    pgd = build_pgd(**PGD, steps=10, eot=1)
    ours, bare = compare(
        lambda: pgd(target, x, y, draw),
        lambda: bare_pgd(target, x, y, draw, steps=10, eot=1),
        "PGD-10 over its bare passes",
    )
    assert torch.equal(ours, bare)


@BESIDE
def test_pgd_with_eot_over_its_passes(
    compare: Compare, defense: Defense, images_32: tuple[Tensor, Tensor, Randomness]
) -> None:
    x, y, draw = images_32
    pgd = build_pgd(**PGD, steps=2, eot=4)
    target = BatchedTarget(defense, rows=32)
    ours, bare = compare(
        lambda: pgd(target, x, y, draw),
        lambda: bare_pgd(target, x, y, draw, steps=2, eot=4),
        "PGD-2 with EOT 4 on RT2 over its bare passes",
    )
    assert torch.equal(ours, bare)


@BESIDE
def test_pgd_beside_torchattacks(
    compare: Compare, classifier: nn.Module, images_32: tuple[Tensor, Tensor, Randomness]
) -> None:
    torchattacks = pytest.importorskip("torchattacks")
    x, y, draw = images_32
    network = classifier.to(DEVICE)
    target = BatchedTarget(lambda x, _: network(x), rows=32, random=False)
    pgd = build_pgd(**PGD, steps=10, eot=1)
    attack = torchattacks.PGD(network, eps=EPS, alpha=STEP, steps=10, random_start=False)
    ours, theirs = compare(
        lambda: pgd(target, x, y, draw), lambda: attack(x, y), "PGD-10 beside torchattacks"
    )
    assert torch.equal(network(ours).argmax(1), network(theirs).argmax(1))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@BESIDE
@pytest.mark.parametrize("count", [4, 32])
def test_pgd_with_eot_beside_torchattacks(
    compare: Compare,
    defense: Defense,
    images_32: tuple[Tensor, Tensor, Randomness],
    count: int,
) -> None:
    torchattacks = pytest.importorskip("torchattacks")
    x, y = (part[:count] for part in images_32[:2])
    draw = images_32[2].select(slice(0, count))

    class Drawing(nn.Module):
        """The defence under the draws that ours takes, in the same order."""

        def __init__(self) -> None:
            super().__init__()
            self.defense, self.calls = defense, 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            logits: Tensor = self.defense(x, draw.at(self.calls - 1))
            return logits

    def theirs() -> Tensor:
        attack = torchattacks.EOTPGD(
            Drawing(), eps=EPS, alpha=STEP, steps=2, eot_iter=8, random_start=False
        )
        found: Tensor = attack(x, y)
        return found

    pgd = build_pgd(**PGD, steps=2, eot=8)
    target = BatchedTarget(defense, rows=batches(8, pixels=48, eot=8, device=DEVICE).rows)
    what = f"PGD-2 with EOT 8 on RT2 beside torchattacks' EOTPGD, {count} images"
    found, expected = compare(lambda: pgd(target, x, y, draw), theirs, what)
    same = (found - expected).abs() < 1e-6
    assert same.float().mean() > 0.999  # signs of gradients near zero may fall otherwise


@BESIDE
def test_autoattack_beside_plain(
    compare: Compare, classifier: nn.Module, images_32: tuple[Tensor, Tensor, Randomness]
) -> None:
    pyautoattack = pytest.importorskip("pyautoattack.autopgd_base")
    x, y, draw = images_32
    network = classifier.to(DEVICE)
    target = BatchedTarget(lambda x, _: network(x), rows=32, random=False)
    apgd = build_autoattack(
        norm="Linf", eps="1/255", attack="apgd-ce", version="official", steps=20, eot=1
    )

    def theirs() -> Tensor:
        plain = pyautoattack.APGDAttack(
            network, n_iter=20, eps=1 / 255, seed=0, eot_iter=1, rho=0.75, device=x.device
        )
        with torch.random.fork_rng():
            found: Tensor = plain.perturb(x, y)
        return found

    what = "AutoAttack's APGD-20 beside pyautoattack alone"
    ours, plain = compare(lambda: apgd(target, x, y, draw), theirs, what)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-6)


ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "FGSM": ("fgsm", {"norm": "Linf", "eps": "8/255", "eot": 1}),
    "PGD-5": ("pgd", {**PGD, "steps": 5, "eot": 1}),
    "PGD-2, EOT 4": ("pgd", {**PGD, "steps": 2, "eot": 4}),
    "CW-5": ("cw", {"norm": "L2", "c": 1.0, "kappa": 0.0, "lr": 0.01, "steps": 5, "eot": 1}),
    "StAdv-2, EOT 2": ("stadv", {"bound": "0.05", "steps": 2, "lr": 0.01, "eot": 2}),
    "AutoAttack, APGD-5, EOT 2": (
        "autoattack",
        {
            "norm": "Linf",
            "eps": "8/255",
            "attack": "apgd-ce",
            "version": "judged",
            "steps": 5,
            "eot": 2,
        },
    ),
    "AutoAttack, Square-20": (
        "autoattack",
        {
            "norm": "Linf",
            "eps": "8/255",
            "attack": "square",
            "version": "judged",
            "queries": 20,
            "rescale": False,
            "eot": 1,
        },
    ),
}


@pytest.mark.benchmark(group="Attacks")
@pytest.mark.parametrize("name", ROWS)
def test_attack_on_the_whole_defence(
    measure: Measure,
    defense: Defense,
    images_32: tuple[Tensor, Tensor, Randomness],
    name: str,
) -> None:
    x, y, draw = images_32
    method, options = ROWS[name]
    attack, target = build("attacks", method, **options), BatchedTarget(defense, rows=32)
    what = f"{name}, on RT2 of preset smoke"
    found = measure(lambda: attack(target, x, y, draw), what, images=32, rounds=3)
    assert found.shape == x.shape


@pytest.mark.benchmark(group="Attacks")
@pytest.mark.skipif(DEVICE.type == "cuda", reason="memory limits a pass of a GPU")
def test_passes_of_large_images(benchmark: Any, compare: Any, defense: Defense) -> None:
    """Gradients of 32 images in passes of their size beside one pass; less if nothing is timed."""
    side, images = (256, 32) if benchmark.enabled else (512, 3)
    defense.sizes = replace(defense.sizes, purifier=side)
    x, y, index = torch.rand(images, 3, 32, 32), torch.zeros(images).long(), torch.arange(images)
    target, size = BatchedTarget(defense, rows=1), batches(images, pixels=side, device=DEVICE).batch

    def gradient(batch: int) -> Tensor:
        parts = zip(x.split(batch), y.split(batch), index.split(batch), strict=True)
        return torch.cat([
            eot_gradient(target, part, label, cross_entropy, Randomness(0, "", rows), eot=1)[0]
            for part, label, rows in parts
        ])  # fmt: skip

    what = f"gradients of {images} images at {side} pixels, {size} a pass beside all at once"
    ours, theirs = compare(lambda: gradient(size), lambda: gradient(images), what, rounds=3)
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.benchmark(group="EOT")
@pytest.mark.parametrize("eot", [1, 2, 4, 8, 16])
def test_eot(
    measure: Measure,
    defense: Defense,
    images_32: tuple[Tensor, Tensor, Randomness],
    eot: int,
) -> None:
    """A PGD step on eight images: on a GPU as many draws as fit ride in one pass."""
    x, y = (part[:8] for part in images_32[:2])
    draw = images_32[2].select(slice(0, 8))
    attack = build_pgd(**PGD, steps=1, eot=eot)
    target = BatchedTarget(defense, rows=batches(8, pixels=48, eot=eot, device=DEVICE).rows)
    what = f"PGD step on RT2 of preset smoke, EOT {eot}"
    found = measure(lambda: attack(target, x, y, draw), what, images=8 * eot)
    assert (found - x).abs().max() <= STEP + 1e-6
