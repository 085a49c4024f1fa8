"""Tables (tables/*.yaml)."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from atop.experiment.settings.base import Count, Key, Name, Settings, Text, require_one

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
    """The same of a table, which has ablations, and purifiers before another classifier.

    `defense` is a row of classifiers.yaml that is a whole defence; it names all other fields but
    the dataset.
    """

    defense: Name | None = None
    ablation: Literal["none", "no_noise", "no_mask", "no_transform", "fixed_mask"] | None = None
    trained_with: Name | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        others = self.given().keys() - {"defense", "dataset"}
        if self.defense and others:
            raise ValueError(f"a defense has no other {', '.join(sorted(others))}")
        return self

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the cell that it names."""
        given = self.given()
        if not (defense := given.pop("defense", None)):
            return given
        bare = {"purifier": "identity", "init": "none", "transform": "none", "finetune": "none"}
        return {**given, **bare, "classifier": defense}


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
