"""A small working directory in which one thing at a time is broken, and a verb that must say so."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from breaking import BARE, Complain, Cut
from safetensors.torch import save_file

from atop import assemble, paths
from atop.__main__ import main
from atop.data.embedded import fetch
from atop.files import write_json

PROGRESS = re.compile(r"|.* left")


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slice of CIFAR-10 as `fetch` stores it."""
    path = tmp_path_factory.mktemp("stored") / "cifar10_slice.npz"
    np.savez(path, **fetch(None))  # type: ignore[arg-type]
    return path


@pytest.fixture
def small(change: Callable[..., None], workdir: Path, stored: Path) -> Path:
    """The smoke preset with eight pictures and one attack; data and an adversarial set."""
    evaluation, stage = {"n": 8, "batch": 8}, {"images": 32, "batch": 32}
    stages = {"l_org": stage, "atop": stage}
    change("presets/smoke", {"evaluation": evaluation, "stages": stages})
    change("attacks", {"suites": {"table7": {"attacks": ["clean", "fgsm"]}}})
    columns = [{"key": name, "label": name, "attack": name} for name in ("clean", "fgsm")]
    change("tables/table7", {"columns": columns})
    data = paths.dataset("cifar10_slice")
    data.parent.mkdir(parents=True)
    os.link(stored, data)
    split = assemble.evaluation_set("smoke", "cifar10_slice")
    adversarial = paths.adversarial("smoke", BARE, "fgsm")
    adversarial.parent.mkdir(parents=True)
    save_file({"images": split.inputs(32), "index": split.index}, adversarial)
    write_json(adversarial.with_suffix(".json"), {"attack": "fgsm"})
    return workdir


@pytest.fixture
def complain(capsys: pytest.CaptureFixture[str]) -> Complain:
    """Run a verb that must fail: one line beside progress, exit code not 0, all files as before."""

    def run(verb: str, *options: str) -> str:
        before = _files()
        capsys.readouterr()
        try:
            code = main([verb, *options])
        except SystemExit as left:  # argparse
            code = int(left.code or 0)
        said = capsys.readouterr()
        assert code != 0
        (line,) = [line for line in said.err.splitlines() if not PROGRESS.fullmatch(line)]
        assert line.startswith(f"atop {verb}: error: ")
        assert said.out == ""
        assert _files() == before
        return line

    return run


def _files() -> dict[str, tuple[int, int]]:
    """Files below the working directory, dot files included, with their sizes and times."""
    found = (path for path in Path().rglob("*") if path.is_file() and path.parts[0] != "workflow")
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


@pytest.fixture
def truncate() -> Cut:
    """Cut a file in half, as a full disk or a lost connection does."""

    def cut(path: Path) -> None:
        content = path.read_bytes()
        path.unlink()  # may be a link to what other tests use
        path.write_bytes(content[: len(content) // 2])

    return cut


@pytest.fixture
def pth(tmp_path: Path) -> Path:
    """Weights as torch saves them, of no network of this suite."""
    path = tmp_path / "weights.pth"
    torch.save({f"layer.{i}.weight": torch.zeros(64, 64) for i in range(4)}, path)
    return path
