"""Which cells stand in a picture grid, and which grids are refused."""

from pathlib import Path
from typing import Any

import pytest
from support.synthetic_images import Change

from atop.core.errors import AtopError
from atop.experiment import image_grids, presets


def test_cells_take_stand_ins_and_the_users_words() -> None:
    smoke, paper = (
        image_grids.grid("figure9", presets.get(preset), seed=3) for preset in ("smoke", "paper")
    )
    assert [block.missing is None for block in smoke.blocks] == [False, True]
    assert [block.missing for block in paper.blocks] == [None, None]
    assert smoke.blocks[1].instead == ("cifar10_slice", "resnet_small")
    assert len(smoke.files()) == 6
    assert len(paper.files()) == 12
    assert {cell.seed for cell in smoke.blocks[1].cells} == {3}
    first = paper.files()[0]
    name = "imagenette-resnet34-deepfill-places2-rt1-none-paper-s3"
    assert first == Path(f"results/paper/pictures/{name}/fgsm.npz")


DATA = {"dataset": "cifar10", "classifier": "resnet18"}

PATCH = {"row": 7, "column": 0, "side": 1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pictures": 1}, r"figures\.figure3\.positions: 1 pictures are kept .* raise `pictures`"),
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
    image_grids.check()
    change("pictures", changes)
    with pytest.raises(AtopError, match=expected):
        image_grids.check()


def test_no_more_pictures_are_kept_than_are_attacked(change: Change) -> None:
    change("presets/smoke", {"attacks": {"fgsm": {"examples": 1}}})
    with pytest.raises(AtopError, match="positions: 1 pictures are kept in preset smoke"):
        image_grids.check()


def test_an_unknown_figure_names_the_known_ones() -> None:
    with pytest.raises(AtopError, match=r"pictures\.yaml: no 'figure4'; known are figure3, fig"):
        image_grids.grid("figure4", presets.get("smoke"))
