"""Execution of networks: a preset's `compute`, for training and for attacks."""

from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from atop.core.values import Dict
from atop.experiment.settings.base import Settings

Precision = Literal["float32", "tf32", "bfloat16"]
Precisions = Annotated[tuple[Precision, ...], Field(min_length=1), Strict(False)]


class Execution(Settings):
    """Execution of networks; in float32 by default (atop/core/execution.py).

    Attributes:
        precision, channels_last: `auto` is the fastest on the device (atop/pipeline/execution/).
        precisions: those of `precision: auto`, beside float32; all by default.
    """

    precision: Literal[Precision, "auto"] = "float32"
    precisions: Precisions = ("float32", "tf32", "bfloat16")
    channels_last: bool | Literal["auto"] = False
    compile: bool = False
    recompute: bool = False

    @property
    def allowed(self) -> list[Dict]:
        """All executions that it allows, without `auto`; the plainest first."""
        all_precisions = dict.fromkeys(("float32", *self.precisions))
        precisions = list(all_precisions) if self.precision == "auto" else [self.precision]
        layouts = [False, True] if self.channels_last == "auto" else [self.channels_last]
        fixed = {"compile": self.compile, "recompute": self.recompute}
        return [
            {"precision": precision, "channels_last": layout, **fixed}
            for precision in precisions
            for layout in layouts
        ]

    def allows(self, compute: Dict) -> bool:
        """Whether it allows the execution that a record holds."""
        return any(each.items() <= compute.items() for each in self.allowed)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "precisions" in self.model_fields_set and self.precision != "auto":
            raise ValueError("'precisions' needs precision: auto")
        return self


class ExecutionSettings(Settings):
    """Execution of networks in training and under attack."""

    train: Execution = Execution()
    attack: Execution = Execution()
