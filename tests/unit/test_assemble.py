"""Networks are put together as a preset says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from atop import assemble, paths
from atop.cells import Cell
from atop.errors import AtopError
from atop.randomness import Randomness
from atop.registry import build

Change = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def places2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Weights as the public file holds them, lying where the workflow downloads them to."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(5)
    weights = build("purifiers", "deepfill", width=48).generator.state_dict()
    path = paths.checkpoint("deepfill-places2")
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


def test_public_weights_of_a_purifier_are_verified_when_they_are_used(
    places2: dict[str, torch.Tensor], change: Change
) -> None:
    network = assemble.purifier("paper", "deepfill")
    change("checkpoints", {"deepfill-places2": {"sha256": "0" * 64}})
    with pytest.raises(AtopError, match=r"places2\.pth: SHA-256 is .*, the config says 000000"):
        assemble.initialise(network, "paper", CELL)


def test_an_ablation_switches_a_part_of_the_transform_off() -> None:
    x = torch.rand(4, 3, 48, 48)
    x[0, :, :8] = 0
    x.requires_grad_(True)
    draw = Randomness(0, "test", torch.arange(4))
    whole, noise_off, mask_off, nothing = (
        assemble.transform("rt2", ablation)(x, draw)
        for ablation in ("none", "no_noise", "no_mask", "no_transform")
    )
    assert torch.equal(noise_off.mask, whole.mask)
    assert torch.equal(noise_off.images[:, 0], x * (1 - noise_off.mask[:, 0]))
    assert mask_off.mask.max() == 0
    kept = whole.mask[:, 0].expand_as(x) == 0
    assert torch.equal(mask_off.images[:, 0][kept], whole.images[:, 0][kept])
    assert torch.equal(nothing.images[:, 0], x)
    (gradient,) = torch.autograd.grad(noise_off.images.sum(), x)
    assert torch.equal(gradient[:, :1], 1 - noise_off.mask[:, 0])  # black pixels have one too
    with pytest.raises(AtopError, match="rt1 has no sigma, so no no_noise"):
        assemble.transform("rt1", "no_noise")
