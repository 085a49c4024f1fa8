"""The base of all models of the config: strict, frozen, with clear errors on unknown keys."""

from copy import copy
from types import NoneType
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

Model = TypeVar("Model", bound="Settings")


class Settings(BaseModel):
    """A part of the config. A file has only keys that its model declares.

    A key may be null only if its model allows it: it is required, or in `nullable`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    nullable: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, content: Any) -> Any:
        """Reject unknown keys, and null where it has no meaning."""
        known = {field.alias or name: field for name, field in cls.model_fields.items()}
        for key, value in content.items() if isinstance(content, dict) else ():
            if key in known:
                if value is None and not (known[key].is_required() or key in cls.nullable):
                    raise PydanticCustomError("null", "'{key}' is null", {"key": key})
            elif cls.model_config["extra"] == "forbid":
                raise PydanticCustomError(
                    "unknown_key",
                    "'{key}' was unexpected; known keys are {known}",
                    {"key": key, "known": ", ".join(known)},
                )
        return content

    def given(self) -> dict[str, Any]:
        """Values that the file gives, without defaults, as digests and records use them."""
        return self.model_dump(exclude_unset=True, by_alias=True)


def overrides_of(model: type[Settings], *left_out: str) -> type[Settings]:
    """A model of some keys of another model, as overrides; none of them is required."""
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if name not in left_out:
            fields[name] = (info.annotation, optional := copy(info))
            optional.default = None
    overrides = create_model(f"{model.__name__}Overrides", __base__=Settings, **fields)
    overrides.nullable = tuple(
        name
        for name, info in model.model_fields.items()
        if info.is_required() and NoneType in get_args(info.annotation)
    )
    return overrides


def under(settings: Settings, model: type[Model], *names: str, key: str = "overrides") -> Model:
    """Apply the overrides that settings have for some names, in order; keep the fields of `model`.

    Args:
        settings: fields of `model` and, under `key`, overrides of them by name.
        model: what remains.
        names: such as a dataset and a transform; the last one wins.
        key: of the overrides.
    """
    content = {field: getattr(settings, field) for field in settings.model_fields_set}
    overrides = content.pop(key, {})
    for name in names:
        content |= overrides[name].given() if name in overrides else {}
    return model.model_construct(**content)


def require_one(content: Settings, *keys: str) -> None:
    """Raise ValueError unless exactly one of some keys is given."""
    given = [key for key in keys if key in content.model_fields_set]
    if len(given) != 1:
        raise ValueError(f"exactly one of {', '.join(keys)} is needed")


Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]

# A whole number stays one: digests of settings distinguish 0 and 0.0.
Number = Annotated[float, WrapValidator(lambda value, check: check(value) is None or value)]
Rate = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, lt=1)]
NonNegative = Annotated[Number, Field(ge=0)]

Fraction = Annotated[str, StringConstraints(pattern=r"^[0-9.]+(/[1-9][0-9]*)?$")]
"""An exact number as text, such as "8/255"; `atop.core.values.number` reads it."""

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]
AttackName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
