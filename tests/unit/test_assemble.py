"""Networks are put together as a preset says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from atop.core.errors import AtopError
from atop.core.randomness import Randomness
from atop.experiment import paths, presets, validate
from atop.experiment.cells import Cell
from atop.method.purifiers.deepfill.loss import GanLoss
from atop.method.purifiers.dmae import MaeLoss
from atop.method.reconstruction_loss import PixelLoss
from atop.method.registry import build
from atop.pipeline import assemble

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
    network = assemble.purifier(presets.get("paper"), "deepfill")
    assemble.initialise(network, presets.get("paper"), CELL)
    loaded = network.generator.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in places2.items())


def test_public_weights_of_another_width_are_refused_by_name(
    places2: dict[str, torch.Tensor],
) -> None:
    narrow = assemble.purifier(presets.get("smoke"), "deepfill")
    with pytest.raises(
        AtopError, match=r"deepfill-places2\.pth: .*stage1\.conv1\.conv\.weight is \(48, "
    ):
        assemble.initialise(narrow, presets.get("paper"), CELL)


def test_public_weights_of_a_purifier_are_verified_when_they_are_used(
    places2: dict[str, torch.Tensor], change: Change
) -> None:
    network = assemble.purifier(presets.get("paper"), "deepfill")
    change("checkpoints", {"deepfill-places2": {"sha256": "0" * 64}})
    with pytest.raises(AtopError, match=r"places2\.pth: SHA-256 is .*, the config says 000000"):
        assemble.initialise(network, presets.get("paper"), CELL)


def test_an_ablation_switches_a_part_of_the_transform_off() -> None:
    x = torch.rand(4, 3, 48, 48)
    x[0, :, :8] = 0
    x.requires_grad_(True)
    draw = Randomness(0, "test", torch.arange(4))
    rt2 = replace(CELL, transform="rt2")
    whole, noise_off, mask_off, nothing = (
        assemble.transform(presets.get("smoke"), replace(rt2, ablation=ablation))(x, draw)
        for ablation in ("none", "no_noise", "no_mask", "no_transform")
    )
    assert torch.equal(noise_off.mask, whole.mask)
    assert torch.equal(noise_off.images[:, 0], x * (1 - noise_off.mask[:, 0]))
    assert mask_off.mask.max() == 0
    kept = whole.mask[:, 0].expand_as(x) == 0
    assert torch.equal(mask_off.images[:, 0][kept], whole.images[:, 0][kept])
    assert torch.equal(nothing.images[:, 0], x)
    one_mask = assemble.transform(presets.get("smoke"), replace(rt2, ablation="fixed_mask"))(
        x, draw
    )
    assert (one_mask.mask == one_mask.mask[:1]).all()
    assert not (whole.mask == whole.mask[:1]).all()
    assert one_mask.mask.sum() == whole.mask.sum()
    (gradient,) = torch.autograd.grad(noise_off.images.sum(), x)
    assert torch.equal(gradient[:, :1], 1 - noise_off.mask[:, 0])  # black pixels have one too
    with pytest.raises(AtopError, match="rt1 has no sigma, so no no_noise"):
        assemble.transform(
            presets.get("smoke"), replace(CELL, transform="rt1", ablation="no_noise")
        )


def test_a_presets_word_about_a_transform_reaches_it() -> None:
    x = torch.rand(2, 3, 32, 32)
    cell = replace(CELL, purifier="dmae", transform="tokens75")
    views = assemble.transform(presets.get("smoke"), cell)(
        x, Randomness(0, "test", torch.arange(2))
    )
    there = 1 - torch.nn.functional.max_pool2d(views.mask[:, 0], 4)
    assert there.flatten(1).sum(dim=1).tolist() == [16, 16]  # a quarter of 8 x 8


def test_options_that_do_not_fit_a_transform_name_the_files_that_have_them(
    change: Change,
) -> None:
    change("presets/smoke", {"transforms": {"rt2": {"treads": 1}}})
    cell = replace(CELL, transform="rt2")
    with pytest.raises(AtopError, match=r"transforms\.yaml and .*presets/smoke\.yaml: .*treads"):
        assemble.transform(presets.get("smoke"), cell)
    change("transforms", {"rt2": {"treads": 1}})
    with pytest.raises(AtopError, match=r"transforms\.yaml: .*treads"):
        assemble.transform(presets.get("paper"), cell)


def test_a_purifier_has_its_own_loss_or_that_of_pixels() -> None:
    recipe = presets.get("paper").recipe(replace(CELL, transform="rt2"))
    full = assemble.loss(presets.get("paper"), "deepfill", recipe)
    assert isinstance(full, GanLoss)
    assert full.gan == "full"
    assert sum(one.numel() for one in full.parameters()) == 5_946_816  # width 64, as published
    off = assemble.loss(presets.get("smoke"), "deepfill", recipe.model_copy(update={"gan": "off"}))
    assert isinstance(off, GanLoss)
    assert off.discriminator is None
    assert isinstance(assemble.loss(presets.get("paper"), "dmae", recipe), MaeLoss)
    assert isinstance(assemble.loss(presets.get("paper"), "identity", recipe), PixelLoss)


def test_a_purifier_with_weights_needs_an_init() -> None:
    cell = replace(CELL, init="none", transform="rt2")
    with pytest.raises(
        AtopError, match="no 'deepfill-none'; known as init of deepfill are places2"
    ):
        validate.check_cell(cell, presets.get("paper"))
    # Before anything runs, nothing is known of a purifier that the preset does not name.
    with pytest.raises(AtopError, match="deepfill has weights, so its init must not be none"):
        assemble.defense(presets.get("paper"), cell)


@pytest.mark.parametrize("name", ["deepfill", "dmae", "identity"])
def test_options_that_do_not_fit_a_loss_name_the_presets_file(change: Change, name: str) -> None:
    recipe = presets.get("paper").recipe(replace(CELL, transform="rt2"))
    change("presets/smoke", {"purifiers": {name: {"loss": {"treads": 1}}}})
    with pytest.raises(AtopError, match=r"presets/smoke\.yaml: .*treads") as found:
        assemble.loss(presets.get("smoke"), name, recipe)
    assert "\n" not in str(found.value)
