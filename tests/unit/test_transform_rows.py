"""What a cell's transform is under a preset: its row, what the preset and the ablation change."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from atop.core.errors import AtopError
from atop.experiment import config, presets, validate
from atop.experiment.cells import Cell

Change = Callable[[str, dict[str, Any]], None]
CELL = Cell(dataset="cifar10", classifier="resnet18", purifier="dmae", init="scratch")
TOKENS = replace(CELL, transform="tokens")


def of(preset: str, cell: Cell, key: str) -> Any:
    return presets.get(preset).transform(cell)[1][key]


def test_it_is_its_row_and_called_like_it_unless_the_row_names_a_method() -> None:
    method, row = presets.get("paper").transform(replace(CELL, transform="rt2"))
    assert (method, row) == ("rt2", config.transform("rt2"))
    method, row = presets.get("paper").transform(replace(CELL, transform="tokens75"))
    assert method == "tokens"
    assert row == {"grid": 14, "missing_rate": 0.75, "sigma": 0.25, "noise_pixels": 32}
    assert config.transform("tokens75")["method"] == "tokens"  # the file is as it was


def test_a_preset_may_change_a_row_and_nothing_but_that_row(change: Change) -> None:
    assert [of(preset, TOKENS, "grid") for preset in ("paper", "smoke")] == [14, 8]
    assert of("smoke", TOKENS, "missing_rate") == 0.25
    change("presets/smoke", {"transforms": {"rt2": {"sigma": 0.5}}})
    assert of("smoke", replace(CELL, transform="rt2"), "sigma") == 0.5
    assert of("smoke", replace(CELL, transform="rt3"), "sigma") == 0.25
    assert of("paper", replace(CELL, transform="rt2"), "sigma") == 0.25


def test_an_ablation_has_the_last_word(change: Change) -> None:
    change("presets/smoke", {"transforms": {"rt2": {"sigma": 0.5, "missing_rate": 0.5}}})
    for transform, sigma, rate in (("rt2", 0.5, 0.5), ("tokens", 0.25, 0.25)):
        cell = replace(CELL, transform=transform)
        silent, whole = (replace(cell, ablation=one) for one in ("no_noise", "no_mask"))
        assert (of("smoke", silent, "sigma"), of("smoke", silent, "missing_rate")) == (0, rate)
        assert (of("smoke", whole, "sigma"), of("smoke", whole, "missing_rate")) == (sigma, 0)
        assert presets.get("smoke").transform(replace(cell, ablation="no_transform")) == (
            "none",
            {},
        )


def test_a_fixed_mask_is_an_option_of_that_ablation_alone() -> None:
    for name in ("rt1", "rt2", "rt3", "tokens"):
        method, row = presets.get("smoke").transform(replace(CELL, transform=name))
        fixed = replace(CELL, transform=name, ablation="fixed_mask")
        assert presets.get("smoke").transform(fixed) == (method, {**row, "fixed_mask": True})
        assert "fixed_mask" not in row


@pytest.mark.parametrize(
    ("transform", "ablation", "told"),
    [
        ("rt1", "no_noise", r"transforms\.yaml: rt1 has no sigma, so no no_noise"),
        ("rt3", "no_mask", r"transforms\.yaml: rt3 has no missing_rate, so no no_mask"),
        ("none", "fixed_mask", r"transforms\.yaml: none has no grid, so no fixed_mask"),
    ],
)
def test_an_ablation_of_what_is_not_there_is_refused(
    transform: str, ablation: str, told: str
) -> None:
    with pytest.raises(AtopError, match=told):
        presets.get("paper").transform(replace(CELL, transform=transform, ablation=ablation))


@pytest.mark.parametrize(
    ("preset", "dataset", "classifier", "pixels"),
    [
        ("paper", "cifar10", "resnet18", 32),  # enlarged to 256 before the attacker
        ("paper", "cifar100", "wrn28_10", 32),
        ("paper", "imagenette", "resnet34", 224),  # noise of 0.25 is to stay that
        ("native", "imagenette", "resnet34", 128),
        ("smoke", "imagenette", "resnet_small", 32),
    ],
)
def test_native_is_the_smallest_of_the_datasets_the_attackers_and_the_purifiers_size(
    preset: str, dataset: str, classifier: str, pixels: int
) -> None:
    cell = replace(TOKENS, dataset=dataset, classifier=classifier)
    assert of(preset, cell, "noise_pixels") == pixels


def test_a_size_in_numbers_stays(change: Change) -> None:
    change("transforms", {"tokens": {"noise_pixels": 40}})
    assert of("paper", TOKENS, "noise_pixels") == 40


@pytest.mark.parametrize(
    ("purifier", "transform", "told"),
    [
        ("dmae", "rt2", "dmae works on 14 tokens a side, .* 8x8 patches of rt2"),
        ("deepfill", "rt2", "deepfill works on 250 pixels a side, .* 8x8 patches of rt2"),
        ("identity", "tokens", "identity works on 250 pixels a side, .* 14x14 patches"),
    ],
)
def test_patches_that_cut_tokens_are_refused_before_anything_runs(
    change: Change, purifier: str, transform: str, told: str
) -> None:
    tokens = {"tokens": {"purifier": 250}}
    change("presets/paper", {"sizes": {"purifier": 250, "overrides": tokens}})
    cell = replace(CELL, dataset="cifar10", classifier="wrn28_10", purifier=purifier)
    with pytest.raises(AtopError, match=told):
        validate.check_cell(replace(cell, transform=transform), presets.get("paper"))


def test_patches_that_pretraining_hides_are_checked_too(change: Change) -> None:
    overrides = {"dmae": {"transforms": ["rt3"]}}
    change("presets/paper", {"stages": {"pretrain": {"overrides": overrides}}})
    with pytest.raises(AtopError, match="8x8 patches of rt3"):
        validate.check_cell(
            replace(TOKENS, dataset="cifar10", classifier="wrn28_10"), presets.get("paper")
        )


def test_a_presets_word_about_no_transform_is_refused(change: Change) -> None:
    change("presets/smoke", {"transforms": {"rt22": {"sigma": 0.1}}})
    with pytest.raises(AtopError, match="no 'rt22'; known are"):
        validate.check_everything(yaml.safe_load((config.folder() / "config.yaml").read_text()))
