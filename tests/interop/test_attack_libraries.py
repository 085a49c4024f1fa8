"""Other people's attacks run on a loaded defence as it is: (B, 3, H, W) in [0, 1] -> logits."""

import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import foolbox
import pyautoattack
import pytest
import torch
from torch import Tensor

from atop import load_defense
from atop.core.files import ROOT
from atop.data import embedded
from atop.data.dataset import Dataset
from atop.experiment import paths, presets
from atop.experiment.cells import Cell
from atop.method.defense import Defense
from atop.method.robustbench_library import robustbench

pytestmark = pytest.mark.slow

CELL = Cell.parse("cifar10_slice-resnet_small-deepfill-scratch-rt2-none-paper-s0")
EPS = 8 / 255


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def defense(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Defense]:
    """RT2 and the embedded purifier before the small classifier, loaded as a user loads it."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "workflow").symlink_to(ROOT / "workflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        weights = paths.purifier(presets.get("smoke"), CELL)
        weights.parent.mkdir(parents=True)
        shutil.copyfile(embedded.FOLDER / "deepfill.safetensors", weights)
        yield load_defense(CELL.id, seed=0)  # the draws that other processes had, too


@pytest.fixture(scope="module")
def easy(defense: Defense, cifar_slice: Dataset) -> tuple[Tensor, Tensor]:
    """Six images that eight draws of the defence all classify rightly."""
    split = cifar_slice.test.take(slice(0, 256))
    x, y = split.inputs(32), split.labels
    with torch.no_grad():
        right = torch.stack([defense(x).argmax(1) == y for _ in range(8)]).all(0)
    assert right.sum() >= 6
    return x[right][:6], y[right][:6]


def broken(defense: Defense, x_adv: Tensor, x: Tensor, y: Tensor, *, eps: float = EPS) -> float:
    """How often the defence errs on adversarial images, over draws; they lie in the ball."""
    assert x_adv.shape == x.shape
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert (x_adv - x).abs().max() <= eps + 1e-6
    with torch.no_grad():
        return torch.stack([defense(x_adv).argmax(1) != y for _ in range(8)]).float().mean().item()


def test_foolbox(defense: Defense, easy: tuple[Tensor, Tensor]) -> None:
    x, y = easy
    attack = foolbox.attacks.LinfPGD(steps=20, abs_stepsize=2 / 255)
    model = foolbox.PyTorchModel(defense, bounds=(0, 1))
    _, x_adv, _ = attack(model, x, foolbox.criteria.Misclassification(y), epsilons=EPS)
    assert broken(defense, x_adv, x, y) > 0.3


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Any]:
    """Import a module from a folder of the environment; skip the test if it is not there."""

    def module(folder: str, name: str) -> Any:
        monkeypatch.setattr(sys, "path", [*sys.path, f"{sys.prefix}/{folder}"])
        return pytest.importorskip(name)

    return module


def test_torchattacks(
    defense: Defense, easy: tuple[Tensor, Tensor], apart: Callable[[str, str], Any]
) -> None:
    # Its release brings a robustbench of its own and pins a requests of 2020, so it lives apart:
    # pip install --no-deps --target .venv/torchattacks torchattacks
    torchattacks = apart("torchattacks", "torchattacks")
    x, y = easy
    x_adv = torchattacks.PGD(defense, eps=EPS, alpha=2 / 255, steps=20)(x, y)
    assert broken(defense, x_adv, x, y) > 0.3


def test_adv_lib(
    defense: Defense, easy: tuple[Tensor, Tensor], apart: Callable[[str, str], Any]
) -> None:
    # It needs visdom, which builds with the setuptools of here only, so both live apart:
    # pip install --no-deps --no-build-isolation --target .venv/adv_lib adv-lib visdom \
    #   jsonpatch jsonpointer websocket-client
    attacks = apart("adv_lib", "adv_lib.attacks")
    x, y = easy
    x_adv = attacks.apgd(
        defense, x, y, eps=EPS, norm=float("inf"), n_iter=20, eot_iter=2, loss_function="ce"
    )
    assert broken(defense, x_adv, x, y) > 0.3


def test_pyautoattack(defense: Defense, easy: tuple[Tensor, Tensor]) -> None:
    x, y = easy
    eps = 4 * EPS  # the whole defence is to fall, with a tenth of the attack's budget
    attack = pyautoattack.AutoAttack(defense, norm="Linf", eps=eps, version="rand", seed=0)
    attack.apgd.n_iter, attack.apgd.eot_iter = 30, 4
    x_adv, _ = attack.run_standard_evaluation(x, y, batch_size=6)
    assert broken(defense, x_adv, x, y, eps=eps) > 0.3


@pytest.mark.slow
def test_robustbench(
    defense: Defense, easy: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    robustbench()
    evaluation = import_module("robustbench.eval")
    # It would download CIFAR-10; the slice has some of its images.
    x, y = easy
    monkeypatch.setattr(evaluation, "load_clean_dataset", lambda *_: (x[:2], y[:2]))
    clean, robust = evaluation.benchmark(
        defense, n_examples=2, dataset="cifar10", threat_model="Linf", eps=4 * EPS, batch_size=2
    )
    assert clean >= 0.5
    assert robust < clean
