"""A small working directory in which one thing at a time is broken, and a verb that must say so."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from breaking import BARE, Complain, Cut
from safetensors.torch import save_file
from serving import FETCH, FILE, ROW, WEIGHTS, AddRow, Fetch, Host, left, serving

from atop.__main__ import main
from atop.core.files import write_json
from atop.experiment import paths, presets
from atop.pipeline import assemble
from atop.pipeline.checkpoints import hosts
from atop.pipeline.datasets import fetch

PROGRESS = re.compile(r"|.* left")


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the slice of CIFAR-10 as `fetch` stores it."""
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return fetch("cifar10_slice").resolve().parent


@pytest.fixture
def small(change: Callable[..., None], workdir: Path, stored: Path) -> Path:
    """The smoke preset with eight images and one attack; data and an adversarial set."""
    evaluation, stage = {"n": 8, "batch": 8}, {"images": 32, "batch": 32}
    stages = {"l_org": stage, "atop": stage}
    change("presets/smoke", {"evaluation": evaluation, "stages": stages})
    change("attacks", {"suites": {"table7": {"attacks": ["clean", "fgsm"]}}})
    columns = [{"key": name, "label": name, "attack": name} for name in ("clean", "fgsm")]
    change("tables/table7", {"columns": columns})
    data = paths.dataset("cifar10_slice").parent
    shutil.copytree(stored, data, copy_function=os.link)
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    adversarial = paths.adversarial(presets.get("smoke"), BARE, "fgsm")
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


@pytest.fixture
def row(change: Callable[..., None], workdir: Path, monkeypatch: pytest.MonkeyPatch) -> AddRow:
    """Add the row `some` to the registry; waits of no length, small reads, an empty folder."""
    monkeypatch.setattr(hosts, "WAIT", 0.001)
    monkeypatch.setattr(hosts, "CHUNK", 100)

    def write(**more: Any) -> None:
        change("checkpoints", {"some": ...})
        change("checkpoints", {"some": {**ROW, **more}})

    return write


@pytest.fixture
def host(row: AddRow) -> Iterator[Host]:
    """A server with the file, and the row that names it."""
    with serving(Host(WEIGHTS)) as host:
        row(url=host.url)
        yield host


@pytest.fixture
def complains(capsys: pytest.CaptureFixture[str]) -> Fetch:
    """Fetch in vain: one line, exit code 2, and below results/ what `keeps` says."""

    def run(*options: str, keeps: tuple[str, ...] = ()) -> str:
        before = left()
        capsys.readouterr()
        assert main([*FETCH, *options]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        (line,) = [line for line in said.err.splitlines() if line and not line.endswith(" left")]
        assert line.startswith("atop checkpoint: error: ")
        assert left() == sorted({*before, *keeps})
        assert ".part" not in line
        return line

    return run


@pytest.fixture
def fetched(capsys: pytest.CaptureFixture[str]) -> Fetch:
    """Fetch with success; what is said."""

    def run(*options: str) -> str:
        capsys.readouterr()
        assert main([*FETCH, *options]) == 0
        assert FILE.read_bytes() == WEIGHTS
        assert str(FILE) in left()
        assert not [path for path in left() if "state" in path]
        return capsys.readouterr().out

    return run
