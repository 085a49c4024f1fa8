"""Protocols of evaluations of a user's defence (protocols.yaml)."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from atop.experiment.settings.base import Name, Settings, Text, require_one
from atop.experiment.settings.tables import ColumnSpec


class ProtocolSpec(Settings):
    """A protocol: the columns of a table, or of its own, under the budgets of a preset."""

    about: Text
    preset: Name
    table: Name | None = None
    suite: Name | None = None
    columns: Annotated[list[ColumnSpec], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_one(self, "table", "suite")
        if bool(self.suite) != bool(self.columns):
            raise ValueError("'suite' and 'columns' belong together")
        return self


Protocols = dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], ProtocolSpec]
