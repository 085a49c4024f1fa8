"""Networks are put together as a preset says."""

from pathlib import Path

import pytest
import torch

from atop import assemble, paths
from atop.cells import Cell
from atop.errors import AtopError
from atop.registry import build


@pytest.fixture
def places2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Weights as the public file holds them, lying where the workflow downloads them to."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(5)
    weights = build("purifiers", "deepfill", width=48).generator.state_dict()
    path = paths.public("deepfill", "places2")
    path.parent.mkdir(parents=True)
    torch.save({"G": weights, "n_iter": 3}, path)
    return weights  # type: ignore[no-any-return]


CELL = Cell(dataset="cifar10", classifier="resnet18", purifier="deepfill", init="places2")


def test_the_paper_preset_starts_from_the_public_weights(
    places2: dict[str, torch.Tensor],
) -> None:
    network = assemble.purifier("paper", "deepfill")
    assemble.initialise(network, "paper", CELL)
    loaded = network.generator.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in places2.items())


def test_public_weights_of_another_width_are_refused_by_name(
    places2: dict[str, torch.Tensor],
) -> None:
    narrow = assemble.purifier("smoke", "deepfill")
    with pytest.raises(AtopError, match=r"deepfill-places2\.pth: key .* has shape"):
        assemble.initialise(narrow, "paper", CELL)
