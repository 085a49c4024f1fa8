"""What attacks must get right on a CUDA device; `pytest -m gpu`."""

import pytest
import torch
from torch import Tensor

from atop.core.randomness import Randomness
from atop.core.values import number
from atop.experiment import config, presets
from atop.experiment.cells import Cell
from atop.method.attack import cross_entropy
from atop.method.defense import Defense
from atop.method.eot import BatchedTarget, eot_gradient
from atop.method.registry import build
from atop.pipeline import assemble

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
SMOKE = presets.get("smoke")
CELL = Cell(dataset="cifar10", classifier="resnet_small", purifier="deepfill", transform="rt2")
SMALL = {"steps": 3, "eot": 2, "queries": 10, "targets": 2}


@pytest.fixture
def defense() -> Defense:
    torch.manual_seed(0)
    network = assemble.purifier(SMOKE, CELL.purifier)
    classifier = assemble.classifier(CELL.dataset, CELL.classifier)
    made = assemble.join(SMOKE, CELL, network, classifier)
    return made.cuda().eval().requires_grad_(False)


def images(count: int) -> tuple[Tensor, Tensor, Randomness]:
    torch.manual_seed(1)
    index = torch.arange(count, device="cuda")
    return torch.rand(count, 3, 32, 32, device="cuda"), index % 10, Randomness(0, "test", index)


@pytest.mark.parametrize("name", config.attacks().attacks)
def test_every_attack_runs_and_keeps_to_its_ball(defense: Defense, name: str) -> None:
    spec = config.attack(name)
    options = spec.options | {key: value for key, value in SMALL.items() if key in spec.options}
    attack = build("attacks", spec.method, **options)
    x, y, draw = images(6)
    before = torch.cuda.get_rng_state()
    found = attack(BatchedTarget(defense, rows=1 << 30), x, y, draw)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert found.device == x.device
    assert torch.equal(found, found.clamp(0, 1))
    if spec.eps:
        delta = (found - x).flatten(1)
        distance = delta.abs().amax() if spec.norm == "Linf" else delta.norm(dim=1).amax()
        assert distance <= number(spec.eps) * (1 + 1e-5) + 1e-6


def test_memory_that_runs_out_costs_no_draw(defense: Defense) -> None:
    x, y, draw = images(64)
    whole = eot_gradient(BatchedTarget(defense, rows=64), x, y, cross_entropy, draw, eot=40)
    torch.cuda.empty_cache()
    used = torch.cuda.memory_allocated() + 2 * 2**30
    torch.cuda.set_per_process_memory_fraction(used / torch.cuda.mem_get_info()[1])
    try:
        target = BatchedTarget(defense, rows=1 << 30)
        found = eot_gradient(target, x, y, cross_entropy, draw, eot=40)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert target.rows < 40 * 64
    torch.testing.assert_close(found.gradient, whole.gradient, rtol=1e-2, atol=1e-4)
