"""The config: YAML files in workflow/config, read into the models of `settings`.

Everything that changes a number is written there. `ATOP_CONFIG_DIR` names another folder with
the same files.
"""

import hashlib
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from atop.core.errors import AtopError
from atop.core.files import ROOT
from atop.core.values import Dict
from atop.experiment.attack_rows import expand
from atop.experiment.settings.attacks import AttackFile, Attacks, AttackSpec, Suite
from atop.experiment.settings.base import Settings
from atop.experiment.settings.deviations import Deviation, Deviations
from atop.experiment.settings.image_grids import ImageGrids
from atop.experiment.settings.inputs import (
    Checkpoints,
    CheckpointSpec,
    Classifiers,
    ClassifierSpec,
    Datasets,
    DatasetSpec,
    Transforms,
)
from atop.experiment.settings.protocols import Protocols, ProtocolSpec
from atop.experiment.settings.recipes import RecipeRow, Recipes
from atop.experiment.settings.runs import QueueItem, QueueSpec
from atop.experiment.settings.tables import TableSpec

# libyaml's loader reads the same ten times as fast; not every build of PyYAML has it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")
_CACHES: list[Callable[[], None]] = []
_GIVEN: dict[str, ClassifierSpec] = {}


def cached(function: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """Decorate a function that reads the config: keep its values until `forget` is called."""
    remembering = cache(function)
    _CACHES.append(remembering.cache_clear)
    return remembering  # type: ignore[return-value]


def forget() -> None:
    """Read all files again: they have changed, or lie in another folder."""
    for clear in _CACHES:
        clear()


def folder() -> Path:
    """The folder of the config."""
    return Path(os.environ.get("ATOP_CONFIG_DIR", ROOT / "workflow" / "config"))


@cached
def load(name: str, model: Any) -> Any:
    """A config file, such as "attacks" or "presets/smoke", as a model.

    Raises:
        AtopError: no such file, not YAML, or a key or value that the model does not know.
    """
    return validate(_content(name), model, where=f"{folder() / name}.yaml")


def _content(name: str) -> Any:
    path = folder() / f"{name}.yaml"
    try:
        return yaml.load(path.read_text(), _Loader)
    except FileNotFoundError as error:
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
        raise AtopError(f"{path}: no such file; known are {known}") from error
    except yaml.YAMLError as error:
        raise AtopError(f"{path}: not YAML: {' '.join(str(error).split())}") from error


def validate(content: Any, model: Any, *, where: str) -> Any:
    """Content as a model (any type that pydantic knows); AtopError names the wrong key."""
    try:
        return _adapter(model).validate_python(content)
    except ValidationError as error:
        raise AtopError(f"{where}: {_explain(error, content)}") from error


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _explain(error: ValidationError, content: Any) -> str:
    """The first wrong key, the reason, and its value."""
    errors = error.errors(include_url=False)
    first = errors[0]
    key = _key(first["loc"], content)
    if first["type"] == "missing":
        return f"{key}: '{first['loc'][-1]}' is a required property"
    if first["type"] in ("unknown_key", "null", "value_error"):
        return f"{key}: {first['msg'].removeprefix('Value error, ')}"
    if first["type"] in ("model_type", "dict_type"):
        return f"{key}: should be keys and values, not {first['input']!r}"
    # Where several kinds of values are allowed, each has its own error.
    kinds = [
        each["msg"].partition(" should ")[2] for each in errors if _key(each["loc"], content) == key
    ]
    return f"{key}: should {' or '.join(dict.fromkeys(kinds))}, not {first['input']!r}"


def _key(place: tuple[int | str, ...], content: Any) -> str:
    """A dotted key: the part of `place` that the content has."""
    keys: list[str] = []
    for part in place:
        try:
            content = content[part]
        except (LookupError, TypeError):
            break
        keys.append(str(part))
    return ".".join(keys) or "top level"


def digest(*parts: Any) -> str:
    """Short digest of settings and JSON-like values: equal digests mean equal settings."""

    def content(value: Any) -> Any:
        return value.given() if isinstance(value, Settings) else str(value)

    text = json.dumps(parts, sort_keys=True, default=content)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def datasets() -> dict[str, DatasetSpec]:
    """Rows of datasets.yaml."""
    return load("datasets", Datasets)  # type: ignore[no-any-return]


def dataset(name: str) -> DatasetSpec:
    """A row of datasets.yaml."""
    return _row("datasets", datasets(), name)


def full_dataset(name: str) -> str:
    """The dataset that a dataset is a part of, or itself."""
    return dataset(name).part_of or name


def classifiers() -> dict[str, ClassifierSpec]:
    """Rows of classifiers.yaml, and those that a program gave."""
    rows: dict[str, ClassifierSpec] = load("classifiers", Classifiers)
    return rows | _GIVEN if _GIVEN else rows


def give_classifier(name: str, row: ClassifierSpec) -> None:
    """Add a row to those of classifiers.yaml, for this process.

    Raises:
        AtopError: classifiers.yaml has a row of that name.
    """
    if name in load("classifiers", Classifiers):
        raise AtopError(f"{folder()}/classifiers.yaml has a classifier '{name}'; take another name")
    _GIVEN[name] = row


def classifier(name: str) -> ClassifierSpec:
    """A row of classifiers.yaml."""
    return _row("classifiers", classifiers(), name)


def classifier_pixels(name: str, dataset_name: str) -> int | None:
    """The only size at which a classifier works; None if the preset's sizes apply."""
    row = classifier(name)
    return row.pixels or (dataset(dataset_name).pixels if row.external else None)


def public_weights(dataset_name: str, name: str) -> list[str]:
    """Public weights of a classifier for a dataset: rows of checkpoints.yaml, or files."""
    return classifier(name).weights.get(full_dataset(dataset_name), [])


def transforms() -> dict[str, Dict]:
    """Rows of transforms.yaml."""
    return load("transforms", Transforms)  # type: ignore[no-any-return]


def transform(name: str) -> Dict:
    """A row of transforms.yaml."""
    return _row("transforms", transforms(), name)


def checkpoints() -> dict[str, CheckpointSpec]:
    """Rows of checkpoints.yaml."""
    return load("checkpoints", Checkpoints)  # type: ignore[no-any-return]


def checkpoint(name: str) -> CheckpointSpec:
    """A row of checkpoints.yaml."""
    return _row("checkpoints", checkpoints(), name)


def recipes() -> dict[str, RecipeRow]:
    """Rows of recipes.yaml."""
    return load("recipes", Recipes)  # type: ignore[no-any-return]


def recipe(name: str) -> RecipeRow:
    """A row of recipes.yaml."""
    return _row("recipes", recipes(), name)


@cached
def attacks() -> Attacks:
    """attacks.yaml, with chains and sweeps written out."""
    content, where = _content("attacks"), f"{folder()}/attacks.yaml"
    validate(content, AttackFile, where=where)
    return validate(expand(content, where=where), Attacks, where=where)  # type: ignore[no-any-return]


def attack(name: str) -> AttackSpec:
    """A row of attacks.yaml."""
    return _row("attacks", attacks().attacks, name, "attack ")


def suite(name: str) -> Suite:
    """A suite of attacks.yaml."""
    return _row("attacks", attacks().suites, name, "suite ")


@cached
def grey_box_attacks() -> set[str]:
    """Attacks that suites make on the bare classifier, and those that they go on from."""
    rows, suites = attacks().attacks, attacks().suites.values()
    names = {
        entry.attack
        for suite in suites
        for entry in suite.entries(suite.target)
        if suite.target == entry.target == "classifier"
    }
    while more := {rows[name].after or name for name in names if name in rows} - names:
        names |= more
    return names


def tables() -> list[str]:
    """Names of all tables that have a config."""
    return sorted(path.stem for path in (folder() / "tables").glob("*.yaml"))


def table(name: str) -> TableSpec:
    """A file of tables/."""
    return load(f"tables/{name}", TableSpec)  # type: ignore[no-any-return]


def protocols() -> dict[str, ProtocolSpec]:
    """Rows of protocols.yaml."""
    return load("protocols", Protocols)  # type: ignore[no-any-return]


def protocol(name: str) -> ProtocolSpec:
    """A row of protocols.yaml."""
    return _row("protocols", protocols(), name)


def image_grids() -> ImageGrids:
    """image_grids.yaml."""
    return load("image_grids", ImageGrids)  # type: ignore[no-any-return]


def deviations() -> list[Deviation]:
    """Rows of deviations.yaml."""
    return load("deviations", Deviations).deviations  # type: ignore[no-any-return]


def queue() -> list[QueueItem]:
    """Items of queue.yaml, in order."""
    return load("queue", QueueSpec).queue  # type: ignore[no-any-return]


def _row(file: str, rows: dict[str, Value], name: str, kind: str = "") -> Value:
    if name not in rows:
        raise AtopError(f"{folder()}/{file}.yaml: no {kind}'{name}'; known are {', '.join(rows)}")
    return rows[name]
