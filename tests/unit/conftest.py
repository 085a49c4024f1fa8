"""Fixtures that several unit tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.synthetic_config import use_config
from support.timed_runs import Lines
from torch import Tensor, nn

from atop.__main__ import main
from atop.data.dataset import Split
from atop.experiment import config


@pytest.fixture
def small_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The small config of support/synthetic_config.py instead of the suite's own."""
    use_config(tmp_path / "config", monkeypatch)
    yield
    config.forget()


@pytest.fixture
def spend(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Call the command on preset smoke; what it printed, line by line."""

    def call(minutes: float = 5, *more: str) -> list[str]:
        try:
            assert (
                main(["timed-run", str(minutes), "--preset", "smoke", "--threads", "1", *more]) == 0
            )
        finally:
            torch.set_flush_denormal(False)
        return capsys.readouterr().out.splitlines()

    return call


@pytest.fixture
def x(images: Split) -> Tensor:
    """The eight images as inputs at their own size."""
    return images.inputs(32)


@pytest.fixture
def y(x: Tensor, classifier: nn.Module) -> Tensor:
    """The classifier's answers, but for one image that it never gets right."""
    labels = classifier(x).argmax(1)
    labels[3] = (labels[3] + 1) % 10
    return labels
