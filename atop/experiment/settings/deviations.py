"""Deviations from the paper and its code (deviations.yaml)."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from atop.experiment.settings.base import Name, Settings, Text

DottedKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+([.][a-z0-9_-]+)+$")]


class Deviation(Settings):
    """A deviation from the paper or its code; `presets` has values by dotted key and preset."""

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
