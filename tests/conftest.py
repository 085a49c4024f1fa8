"""Small real things that many tests need: one thread, images, networks, a config to change."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from matplotlib.figure import Figure
from support import latex
from torch import nn

from atop.core import checkpoints, files
from atop.core.files import ROOT
from atop.core.randomness import Randomness
from atop.data import embedded
from atop.data.dataset import Dataset, Split
from atop.data.source import Images
from atop.experiment import config, presets
from atop.method.registry import build
from atop.pipeline import assemble

torch.set_num_threads(1)

Change = Callable[[str, dict[str, Any]], None]


PROGRAMS = {
    "latex": (latex.is_here, "texlive-latex-recommended"),
    "browser": (lambda: shutil.which("chromium"), "chromium"),
}
"""By marker: whether what its tests need is here, and Debian's packages that bring it."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, keep the tests of a file in one process, for what they share."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, (is_here, packages) in PROGRAMS.items():
        if item.get_closest_marker(marker) and not is_here():
            pytest.skip(f"apt-get install {packages}")


@pytest.fixture(scope="session")
def cifar_slice() -> Dataset:
    """The slice of CIFAR-10 in the repository."""
    dataset = embedded.read()

    def split(part: Images) -> Split:
        images = torch.from_numpy(np.stack(list(part.images)))
        return Split(images, torch.tensor(part.labels), torch.tensor(part.index))

    train, test = split(dataset.train), split(dataset.test)
    return Dataset(*train.split_validation(count=128, size=50000), test)


@pytest.fixture
def images(cifar_slice: Dataset) -> Split:
    """Eight test images."""
    return cifar_slice.test.take(slice(0, 8))


@pytest.fixture
def classifier() -> nn.Module:
    """The small classifier with its trained weights, frozen."""
    network: nn.Module = build("classifiers", "resnet_small", classes=10)
    checkpoints.load(network, embedded.FOLDER / "resnet_small.safetensors")
    return network.eval().requires_grad_(False)


@pytest.fixture
def purifier() -> nn.Module:
    """The smoke preset's DeepFill with its pretrained weights, frozen."""
    network = assemble.purifier(presets.get("smoke"), "deepfill")
    checkpoints.load(network, embedded.FOLDER / "deepfill.safetensors")
    return network.eval().requires_grad_(False)


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    """A copy of the config; the function merges changes into one of its files, `...` deletes."""
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "workflow" / "config", folder)
    monkeypatch.setenv("ATOP_CONFIG_DIR", str(folder))
    config.forget()

    def merge(name: str, changes: dict[str, Any]) -> None:
        path = folder / f"{name}.yaml"
        content = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(_merged(content, changes), sort_keys=False))
        config.forget()

    yield merge
    config.forget()


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures of matplotlib, as they are saved."""
    kept: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (kept.append(self), save(self, *a, **k))
    )
    return kept


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with no files of the suite's but those of workflow/."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "workflow").symlink_to(ROOT / "workflow")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(files, "ROOT", folder)
    return folder


@pytest.fixture
def randomness(images: Split) -> Randomness:
    """A draw for each of the images."""
    return Randomness(0, "test", images.index)


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        merged = {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
        return {key: value for key, value in merged.items() if value is not ...}
    return new
