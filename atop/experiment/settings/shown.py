"""What is shown: tables (tables/*.yaml), image grids (pictures.yaml), deviations, the queue."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from atop.experiment.settings.attacks import Target
from atop.experiment.settings.base import (
    Count,
    Key,
    Name,
    Positive,
    Rate,
    Settings,
    Text,
    require_one,
)

Finetune = Literal["none", "adversarial", "clean", "continued", "classifier"]


class GridCell(Settings):
    """Fields of a cell (atop/experiment/cells.py); the rest is its default."""

    dataset: Name | None = None
    classifier: Name | None = None
    purifier: Name | None = None
    init: Name | None = None
    transform: Name | None = None
    finetune: Finetune | None = None
    recipe: Name | None = None
    seed: Count | None = None


class TableCell(GridCell):
    """The same of a table, which has ablations."""

    ablation: Literal["none", "no_noise", "no_mask", "no_transform"] | None = None


class Quotation(Settings):
    """A number of the paper's about the same defence, in another table."""

    table: Name
    row: Key
    column: Key


class RowSpec(Settings):
    """A row of a table: a cell that is measured, or why nobody can run it."""

    key: Key
    labels: Annotated[list[str], Field(min_length=1)]
    cell: TableCell | None = None
    cited: Text | None = None
    printed: list[Quotation] = []

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cell is None and self.cited is None:
            raise ValueError("'cell' or 'cited' is needed")
        return self


# The entry of a suite, of which `atop.experiment.validate` checks the target.
Entry = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(@[a-z]+)?$")]
Metric = Annotated[
    str, StringConstraints(pattern=r"^(mean|majority|all|tries-([2-9]|[1-9][0-9]+))$")
]


class ColumnSpec(Settings):
    """A column of a table.

    Attributes:
        attack, worst: an entry of the suite; or several, of which each image's worst on selection
            draws counts.
        metric: mean accuracy over draws; majority vote; correct under all; under K of them.
        suite, cell: another suite than the table's; what differs from the row's cell.
        paper: the budget behind the paper's number; another one makes a number not comparable.
        drawn: false leaves its bars out of a figure.
        curve: the curve on which a plot puts the number, at what varies along it.
    """

    key: Key
    label: Text
    attack: Entry | None = None
    worst: Annotated[list[Entry], Field(min_length=2)] | None = None
    metric: Metric = "mean"
    suite: Name | None = None
    cell: TableCell | None = None
    paper: dict[str, Any] = {}
    drawn: bool = True
    curve: Literal["eot", "steps", "joint", "eps", "noise"] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_one(self, "attack", "worst")
        if self.worst and len(set(self.worst)) < len(self.worst):
            raise ValueError("worst: an entry stands there twice")
        return self


class TableSpec(Settings):
    """A table; `figure` is what its .tex draws instead of one."""

    title: Text
    caption: str | None = None
    figure: Literal["bars"] | None = None
    suite: Name
    labels: Annotated[list[str], Field(min_length=1)]
    defaults: TableCell
    rows: Annotated[list[RowSpec], Field(min_length=1)]
    controls: list[RowSpec] = []
    extras: list[RowSpec] = []
    columns: Annotated[list[ColumnSpec], Field(min_length=1)]
    pairs: list[Annotated[list[Key], Field(min_length=2, max_length=2)]] = []


Eighth = Annotated[int, Field(ge=0, le=7)]


class Patch(Settings):
    """What is enlarged, in eighths of an image."""

    row: Eighth
    column: Eighth
    side: Annotated[int, Field(ge=1, le=3)]


class PanelSpec(Settings):
    """A place of a grid."""

    show: Literal["picture", "perturbation", "noisy", "masked", "completed", "purified"]
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
    """pictures.yaml."""

    attack: str
    pictures: Positive
    amplified: Rate
    datasets: Annotated[list[GridData], Field(min_length=1)]
    classes: dict[str, list[Text]]
    figures: Annotated[
        dict[Annotated[str, StringConstraints(pattern=r"^figure[0-9]+$")], GridSpec],
        Field(min_length=1),
    ]


DottedKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+([.][a-z0-9_-]+)+$")]


class Deviation(Settings):
    """A row of deviations.yaml; `presets` says values under each preset, by dotted key."""

    id: Annotated[str, StringConstraints(pattern=r"^[BO][1-9][0-9]*$")]
    topic: Text
    paper: Text
    code: Text
    here: Text
    tables: list[Name]
    kind: Literal["method", "evaluation", "typo", "provenance"]
    presets: dict[DottedKey, dict[str, str | int | float | None]] | None = None


class Deviations(Settings):
    """deviations.yaml."""

    deviations: Annotated[list[Deviation], Field(min_length=1)]


class Overrides(Settings):
    """What is said instead of a table's own."""

    init: Name | None = None
    recipe: Name | None = None
    seed: Count | None = None
    target: Target | None = None


class QueueItem(Settings):
    """A table, or some rows of it; or a command."""

    table: Name | None = None
    rows: Annotated[list[str], Field(min_length=1)] | None = None
    words: Overrides | None = None
    command: Annotated[list[str], Field(min_length=1)] | None = None
    makes: Annotated[str, StringConstraints(pattern=r"^results/[A-Za-z0-9_{}/.-]+$")] | None = None
    minutes: Rate | None = None
    preset: str | None = None
    device: Literal["cuda", "cpu"] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_one(self, "table", "command")
        if self.command and not (self.makes and self.minutes and self.preset and self.device):
            raise ValueError("a command needs makes, minutes, preset and device")
        if self.command and (self.rows or self.words):
            raise ValueError("a command has no rows and no words")
        return self


class QueueSpec(Settings):
    """queue.yaml."""

    queue: Annotated[list[QueueItem], Field(min_length=1)]


class UserConfig(Overrides):
    """config.yaml, and --config."""

    nullable = ("files", "init", "recipe", "seed", "target")

    files: str | None = None
    offline: bool = False
    extras: bool = False
    allow_cpu: bool = False
