"""What a cell's transform is under a preset: its row, what the preset and the ablation change."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from atop import config
from atop.cells import Cell
from atop.errors import AtopError

Change = Callable[[str, dict[str, Any]], None]
CELL = Cell(dataset="cifar10", classifier="resnet18", purifier="dmae", init="scratch")
TOKENS = replace(CELL, transform="tokens")


def of(preset: str, cell: Cell, key: str) -> Any:
    return config.transform_of(preset, cell)[1][key]


def test_it_is_its_row_and_called_like_it_unless_the_row_names_a_method() -> None:
    method, row = config.transform_of("paper", replace(CELL, transform="rt2"))
    assert (method, row) == ("rt2", config.transform("rt2"))
    method, row = config.transform_of("paper", replace(CELL, transform="tokens75"))
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
        assert config.transform_of("smoke", replace(cell, ablation="no_transform")) == ("none", {})


@pytest.mark.parametrize(
    ("transform", "ablation", "told"),
    [
        ("rt1", "no_noise", r"transforms\.yaml: rt1 has no sigma, so no no_noise"),
        ("rt3", "no_mask", r"transforms\.yaml: rt3 has no missing_rate, so no no_mask"),
    ],
)
def test_an_ablation_of_what_is_not_there_is_refused(
    transform: str, ablation: str, told: str
) -> None:
    with pytest.raises(AtopError, match=told):
        config.transform_of("paper", replace(CELL, transform=transform, ablation=ablation))


@pytest.mark.parametrize(
    ("preset", "dataset", "classifier", "pixels"),
    [
        ("paper", "cifar10", "resnet18", 32),  # enlarged to 256 before the attacker
        ("paper", "cifar100", "wrn28_10", 32),
        ("paper", "imagenette", "resnet34", 256),
        ("smoke", "imagenette", "resnet_small", 64),  # made smaller before the attacker
    ],
)
def test_native_is_the_datasets_size_or_the_attackers_if_that_is_smaller(
    preset: str, dataset: str, classifier: str, pixels: int
) -> None:
    cell = replace(TOKENS, dataset=dataset, classifier=classifier)
    assert of(preset, cell, "noise_pixels") == pixels


def test_a_size_in_numbers_stays(change: Change) -> None:
    change("transforms", {"tokens": {"noise_pixels": 40}})
    assert of("paper", TOKENS, "noise_pixels") == 40
