"""Grids of images (image_grids.yaml)."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from atop.experiment.settings.base import Count, Positive, Rate, Settings, Text
from atop.experiment.settings.tables import GridCell

Eighth = Annotated[int, Field(ge=0, le=7)]


class Patch(Settings):
    """The enlarged part of an image, in eighths of its side."""

    row: Eighth
    column: Eighth
    side: Annotated[int, Field(ge=1, le=3)]


class PanelSpec(Settings):
    """A place of a grid."""

    show: Literal["image", "perturbation", "noisy", "masked", "completed", "purified"]
    title: Text
    view: Positive = 1
    cell: GridCell | None = None


class PanelRow(Settings):
    """A row of a grid; null is an empty place."""

    label: str
    of: Literal["clean", "adversarial"]
    cell: GridCell | None = None
    panels: Annotated[list[PanelSpec | None], Field(min_length=1)]


class GridSpec(Settings):
    """A figure of images."""

    title: Text
    cell: GridCell
    positions: Annotated[list[Count], Field(min_length=1)]
    across: bool = False
    enlarge: bool = False
    rows: Annotated[list[PanelRow], Field(min_length=1)]


class GridData(Settings):
    """A dataset of all grids."""

    label: Text
    cell: GridCell
    patch: Patch

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.cell.dataset and self.cell.classifier):
            raise ValueError("cell: needs dataset and classifier")
        return self


class ImageGrids(Settings):
    """image_grids.yaml."""

    attack: str
    images: Positive
    amplified: Rate
    datasets: Annotated[list[GridData], Field(min_length=1)]
    classes: dict[str, list[Text]]
    figures: Annotated[
        dict[Annotated[str, StringConstraints(pattern=r"^figure[0-9]+$")], GridSpec],
        Field(min_length=1),
    ]
