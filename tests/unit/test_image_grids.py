"""Which cells stand in an image grid, and which grids are refused."""

from pathlib import Path
from typing import Any

import pytest
from support.synthetic_images import Change

from atop.core.errors import AtopError
from atop.experiment import image_grids, presets
from atop.experiment.validate import check_everything


def test_cells_take_substitutes_and_the_users_overrides() -> None:
    smoke, paper = (
        image_grids.grid("figure9", presets.get(preset), seed=3) for preset in ("smoke", "paper")
    )
    assert [block.missing is None for block in smoke.blocks] == [False, True]
    assert [block.missing for block in paper.blocks] == [None, None]
    assert smoke.blocks[1].substitutes == ("cifar10_slice", "resnet_small")
    assert len(smoke.files()) == 6
    assert len(paper.files()) == 12
    assert {cell.seed for cell in smoke.blocks[1].cells} == {3}
    first = paper.files()[0]
    name = "imagenette-resnet34-deepfill-places2-rt1-none-paper-s3"
    assert first == Path(f"results/paper/images/{name}/fgsm.npz")


DATA = {"dataset": "cifar10", "classifier": "resnet18"}

PATCH = {"row": 7, "column": 0, "side": 1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"images": 1}, r"figures\.figure3\.positions: 1 images are stored .* raise `images`"),
        ({"attack": "nonsense"}, "no attack 'nonsense'"),
        (
            {"datasets": [{"label": "Mine", "cell": DATA, "patch": {**PATCH, "side": 2}}]},
            "datasets: the patch of Mine ends outside of it",
        ),
        (
            {"figures": {"figure7": {"cell": {"transform": "rt2"}}}},
            r"figures\.figure7\.rows: no view 2; rt2 makes 1",
        ),
        ({"figures": {"figure5": {"cell": {"purifier": "mine"}}}}, "mine"),
    ],
)
def test_a_grid_that_cannot_be_made_is_refused(
    change: Change, changes: dict[str, Any], expected: str
) -> None:
    change("image_grids", changes)
    with pytest.raises(AtopError, match=expected):
        check_everything({})


def test_no_more_images_are_stored_than_are_attacked(change: Change) -> None:
    change("presets/smoke", {"attacks": {"fgsm": {"examples": 1}}})
    with pytest.raises(AtopError, match="positions: 1 images are stored in preset smoke"):
        check_everything({})


def test_an_unknown_figure_names_the_known_ones() -> None:
    with pytest.raises(AtopError, match=r"image_grids\.yaml: no 'figure4'; known are figure3, fig"):
        image_grids.grid("figure4", presets.get("smoke"))
