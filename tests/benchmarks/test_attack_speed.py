"""What attacks cost: over the bare passes that they ask for, and beside the libraries' own.

Each test times both sides in turn, several times, and stores the median of the ratios as
`extra_info.ratio` and, with `-s`, prints it; the outcomes of both must be equal. torchattacks is no
dependency of this suite: `pip install --no-deps torchattacks==3.5.1`.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atop import config
from atop.attacks._balls import project
from atop.attacks._base import cross_entropy
from atop.attacks._draws import Victim
from atop.attacks.autoattack import build as build_autoattack
from atop.attacks.pgd import build as build_pgd
from atop.data.dataset import Dataset
from atop.defense import Defense, Sizes
from atop.randomness import Randomness
from atop.registry import build

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
EPS, STEP = 8 / 255, 2 / 255
PGD: dict[str, Any] = {"norm": "Linf", "eps": "8/255", "step_size": "2/255", "random_start": False}
Run = Callable[[], Tensor]
Compare = Callable[[Run, Run], tuple[Tensor, Tensor]]


@pytest.fixture
def compare(benchmark: Any, request: pytest.FixtureRequest) -> Compare:
    """Run ours and theirs in turn; keep the median of the ratios of their times."""

    def timed(run: Run) -> tuple[Tensor, float]:
        start = time.perf_counter()
        result = run()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        return result, time.perf_counter() - start

    def both(ours: Run, theirs: Run) -> tuple[Tensor, Tensor]:
        results = timed(ours)[0], timed(theirs)[0]  # warm up
        rounds = 9 if benchmark.enabled else 0
        ratios = [timed(ours)[1] / timed(theirs)[1] for _ in range(rounds)]
        benchmark.pedantic(ours, rounds=1)
        if ratios:
            benchmark.extra_info["ratio"] = round(statistics.median(ratios), 3)
            line = f" {request.node.name}: {benchmark.extra_info['ratio']} of the other's time"
            request.config.get_terminal_writer().line(line)
        return results

    return both


@pytest.fixture
def pictures_32(cifar_slice: Dataset) -> tuple[Tensor, Tensor, Randomness]:
    """Thirty-two pictures, their labels and a draw."""
    split = cifar_slice.test.take(slice(0, 32)).to(DEVICE)
    return split.inputs(32), split.labels, Randomness(0, "attack", split.index)


@pytest.fixture
def defense(purifier: nn.Module, classifier: nn.Module) -> Defense:
    """RT2 with the embedded purifier at 48 pixels."""
    made = Defense(
        transform=build("transforms", "rt2", **config.transform("rt2")),
        purifier=purifier,
        classifier=classifier,
        sizes=Sizes(input=32, purifier=48, classifier=32),
    )
    return made.to(DEVICE).eval().requires_grad_(False)


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


def test_pgd_over_its_passes(
    compare: Compare, classifier: nn.Module, pictures_32: tuple[Tensor, Tensor, Randomness]
) -> None:
    x, y, draw = pictures_32
    network = classifier.to(DEVICE)
    target = Victim(lambda x, _: network(x), rows=32, random=False)
    pgd = build_pgd(**PGD, steps=10, eot=1)
    ours, bare = compare(
        lambda: pgd(target, x, y, draw), lambda: bare_pgd(target, x, y, draw, steps=10, eot=1)
    )
    assert torch.equal(ours, bare)


def test_pgd_with_eot_over_its_passes(
    compare: Compare, defense: Defense, pictures_32: tuple[Tensor, Tensor, Randomness]
) -> None:
    x, y, draw = pictures_32
    pgd = build_pgd(**PGD, steps=2, eot=4)
    target = Victim(defense, rows=32)
    ours, bare = compare(
        lambda: pgd(target, x, y, draw), lambda: bare_pgd(target, x, y, draw, steps=2, eot=4)
    )
    assert torch.equal(ours, bare)


def test_pgd_beside_torchattacks(
    compare: Compare, classifier: nn.Module, pictures_32: tuple[Tensor, Tensor, Randomness]
) -> None:
    torchattacks = pytest.importorskip("torchattacks")
    x, y, draw = pictures_32
    network = classifier.to(DEVICE)
    target = Victim(lambda x, _: network(x), rows=32, random=False)
    pgd = build_pgd(**PGD, steps=10, eot=1)
    attack = torchattacks.PGD(network, eps=EPS, alpha=STEP, steps=10, random_start=False)
    ours, theirs = compare(lambda: pgd(target, x, y, draw), lambda: attack(x, y))
    assert torch.equal(network(ours).argmax(1), network(theirs).argmax(1))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [4, 32])
def test_pgd_with_eot_beside_torchattacks(
    compare: Compare,
    defense: Defense,
    pictures_32: tuple[Tensor, Tensor, Randomness],
    count: int,
) -> None:
    torchattacks = pytest.importorskip("torchattacks")
    x, y = (part[:count] for part in pictures_32[:2])
    draw = pictures_32[2].select(slice(0, count))

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
    # On a GPU as many draws ride in a batch as fit; on a CPU as many as fill its usual batch.
    rows = 1 << 30 if DEVICE.type == "cuda" else 32
    target = Victim(defense, rows=rows)
    found, expected = compare(lambda: pgd(target, x, y, draw), theirs)
    same = (found - expected).abs() < 1e-6
    assert same.float().mean() > 0.999  # signs of gradients near zero may fall otherwise


def test_autoattack_beside_plain(
    compare: Compare, classifier: nn.Module, pictures_32: tuple[Tensor, Tensor, Randomness]
) -> None:
    pyautoattack = pytest.importorskip("pyautoattack.autopgd_base")
    x, y, draw = pictures_32
    network = classifier.to(DEVICE)
    target = Victim(lambda x, _: network(x), rows=32, random=False)
    apgd = build_autoattack(norm="Linf", eps="1/255", attack="apgd-ce", steps=20, eot=1)

    def theirs() -> Tensor:
        plain = pyautoattack.APGDAttack(
            network, n_iter=20, eps=1 / 255, seed=0, eot_iter=1, rho=0.75, device=x.device
        )
        with torch.random.fork_rng():
            found: Tensor = plain.perturb(x, y)
        return found

    ours, plain = compare(lambda: apgd(target, x, y, draw), theirs)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-6)
