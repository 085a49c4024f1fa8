"""Requests of a user (config.yaml, --config) and the queue of timed runs (queue.yaml)."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from atop.experiment.settings.attacks import Target
from atop.experiment.settings.base import Count, Name, Rate, Settings, require_one


class Overrides(Settings):
    """Values that replace those of a table."""

    init: Name | None = None
    recipe: Name | None = None
    seed: Count | None = None
    target: Target | None = None


class QueueItem(Settings):
    """A table, some rows of a table, or a command."""

    table: Name | None = None
    rows: Annotated[list[str], Field(min_length=1)] | None = None
    overrides: Overrides = Overrides()
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
        if self.command and (self.rows or self.overrides.given()):
            raise ValueError("a command has no rows and no overrides")
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
