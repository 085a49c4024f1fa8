"""What a CUDA device must get right; `pytest -m gpu`."""

from dataclasses import replace

import pytest
import torch

from atop.core.execution import FLOAT32
from atop.core.randomness import Randomness
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.method.defense import Defense
from atop.pipeline import assemble

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
SMOKE = presets.get("smoke")
CELLS = {
    purifier: Cell(
        dataset="cifar10", classifier="resnet_small", purifier=purifier, transform=transform
    )
    for purifier, transform in (("deepfill", "rt2"), ("dmae", "tokens75"))
}


@pytest.fixture(params=CELLS)
def defense(request: pytest.FixtureRequest) -> Defense:
    torch.manual_seed(0)
    cell = CELLS[request.param]
    network = assemble.purifier(SMOKE, cell.purifier)
    classifier = assemble.classifier(cell.dataset, cell.classifier)
    return assemble.join(SMOKE, cell, network, classifier).eval()


def draw(device: str) -> Randomness:
    return Randomness(7, "test", torch.arange(5, device=device), draw=3)


def test_uniform_bits_and_masks_equal_those_of_the_cpu() -> None:
    cpu, gpu = draw("cpu"), draw("cuda")
    assert torch.equal(cpu.uniform((100,), "a"), gpu.uniform((100,), "a").cpu())
    x = torch.rand(5, 3, 32, 32)
    for name in ("rt1", "rt3", "tokens"):
        t = assemble.transform(SMOKE, replace(CELLS["dmae"], transform=name))
        assert torch.equal(t(x, cpu).mask, t(x.cuda(), gpu).mask.cpu())


def test_normals_agree_with_the_cpu_to_rounding() -> None:
    difference = draw("cpu").normal((3, 32, 32), "a") - draw("cuda").normal((3, 32, 32), "a").cpu()
    assert difference.abs().max() < 1e-5


def test_the_defence_and_its_gradient_agree_with_the_cpu(defense: Defense) -> None:
    x = torch.rand(5, 3, 32, 32)
    results = []
    for device in ("cpu", "cuda"):
        variable = x.to(device, copy=True).requires_grad_(True)
        with FLOAT32.arithmetic():
            logits = defense.to(device)(variable, draw(device))
            (slope,) = torch.autograd.grad(logits[:, 0].sum(), variable)
        results.append((logits.detach().cpu(), slope.cpu()))
    (logits, slope), (gpu_logits, gpu_slope) = results
    assert torch.allclose(logits, gpu_logits, atol=1e-3)
    assert torch.nn.functional.cosine_similarity(slope.flatten(), gpu_slope.flatten(), dim=0) > 0.99


def test_an_adversarial_step_stays_in_the_ball(defense: Defense) -> None:
    defense = defense.cuda()
    x, y = torch.rand(5, 3, 32, 32, device="cuda"), torch.arange(5, device="cuda")
    x_adv = assemble.attack(SMOKE, "pgd-10")(defense, x, y, draw("cuda"))
    assert (x_adv - x).abs().max() <= 8 / 255 + 1e-6
    assert torch.equal(x_adv, x_adv.clamp(0, 1))
