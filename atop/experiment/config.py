"""The config: YAML files in workflow/config, validated by `settings` before anything runs.

Everything that changes a number is written there. `ATOP_CONFIG_DIR` names another folder with
the same files.
"""

import hashlib
import json
import os
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from atop.core.errors import AtopError
from atop.core.files import ROOT
from atop.core.values import Dict
from atop.experiment.attack_rows import expand
from atop.experiment.cells import ANY, Cell
from atop.experiment.settings import MODELS
from atop.experiment.settings.attacks import Suite, SuiteOverrides
from atop.experiment.settings.inputs import ClassifierSpec, DatasetSpec
from atop.experiment.settings.presets import Preset

# libyaml's loader reads the same ten times as fast; not every build of PyYAML has it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def folder() -> Path:
    """Where the config lies."""
    return Path(os.environ.get("ATOP_CONFIG_DIR", ROOT / "workflow" / "config"))


def read(name: str, model: str | None = None) -> Dict:
    """A config file as it stands, such as "attacks" or "presets/smoke", once it is validated.

    Raises:
        AtopError: no such file, not YAML, or a key or value that the model does not know.
    """
    return _read(name, model or name)[0]


def forget() -> None:
    """Read the files anew when they are asked for: they have changed, or lie in another folder."""
    _read.cache_clear()


@cache
def _read(name: str, model: str) -> tuple[Dict, Any]:
    """The content of a file, and its model."""
    path = folder() / f"{name}.yaml"
    try:
        content = yaml.load(path.read_text(), _Loader)
    except FileNotFoundError as error:
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.yaml")))
        raise AtopError(f"{path}: no such file; known are {known}") from error
    except yaml.YAMLError as error:
        raise AtopError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    settings = validate(content, MODELS[model], where=str(path))
    if name == "attacks":
        content = expand(content, where=str(path))
        settings = validate(content, MODELS[model], where=str(path))
    return content, settings


def validate(content: Any, model: Any, *, where: str) -> Any:
    """`content` as a model, any type that pydantic knows; AtopError names the key that is wrong."""
    try:
        return _adapter(model).validate_python(content)
    except ValidationError as error:
        raise AtopError(f"{where}: {_explain(error, content)}") from error


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _explain(error: ValidationError, content: Any) -> str:
    """The first key that is wrong, what is wrong with it, and what stands there."""
    found = error.errors(include_url=False)
    first = found[0]
    key = _key(first["loc"], content)
    if first["type"] == "missing":
        return f"{key}: '{first['loc'][-1]}' is a required property"
    if first["type"] in ("unknown_key", "null", "value_error"):
        return f"{key}: {first['msg'].removeprefix('Value error, ')}"
    if first["type"] in ("model_type", "dict_type"):
        return f"{key}: should be keys and values, not {first['input']!r}"
    # Where several kinds of values will do, each has its own error.
    kinds = [
        one["msg"].partition(" should ")[2] for one in found if _key(one["loc"], content) == key
    ]
    return f"{key}: should {' or '.join(dict.fromkeys(kinds))}, not {first['input']!r}"


def _key(place: tuple[int | str, ...], content: Any) -> str:
    """A dotted key; what follows in `place` is missing there, or a kind of value."""
    keys: list[str] = []
    for part in place:
        try:
            content = content[part]
        except (LookupError, TypeError):
            break
        keys.append(str(part))
    return ".".join(keys) or "top level"


def digest(*parts: Any) -> str:
    """Short digest of JSON-like values: two runs with equal digests had equal settings."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dataset(name: str) -> DatasetSpec:
    """A row of datasets.yaml."""
    return _row("datasets", name)  # type: ignore[no-any-return]


def whole(name: str) -> str:
    """The dataset that a dataset is a part of, or itself."""
    return dataset(name).part_of or name


def classifier(name: str) -> ClassifierSpec:
    """A row of classifiers.yaml."""
    return _row("classifiers", name)  # type: ignore[no-any-return]


def transform(name: str) -> Dict:
    """A row of transforms.yaml."""
    return _row("transforms", name)  # type: ignore[no-any-return]


def transform_of(preset_name: str, cell: Cell) -> tuple[str, Dict]:
    """The method and the options of a cell's transform under a preset.

    The part that the cell's ablation names is switched off; `native` is a size of its pictures.

    Raises:
        AtopError: it has no such part.
    """
    name = "none" if cell.ablation == "no_transform" else cell.transform
    row = {**transform(name), **preset(preset_name).transforms.get(name, {})}
    key = {"no_noise": "sigma", "no_mask": "missing_rate"}.get(cell.ablation)
    if key and key not in row:
        raise AtopError(f"{folder()}/transforms.yaml: {name} has no {key}, so no {cell.ablation}")
    if key:
        row[key] = 0.0
    if row.get("noise_pixels") == "native":
        size = sizes(preset_name, cell)
        row["noise_pixels"] = min(dataset(cell.dataset).pixels, size["input"], size["purifier"])
    return row.pop("method", name), row


def checkpoint(name: str) -> Dict:
    """A row of checkpoints.yaml."""
    return _row("checkpoints", name).given()  # type: ignore[no-any-return]


def recipe(name: str, transform: str, preset_name: str) -> Dict:
    """A recipe with what it says about a transform, and what a preset says about it, filled in."""
    row = _row("recipes", name).given()
    overrides = row.pop("transforms", {})
    return {**row, **overrides.get(transform, {}), **preset(preset_name).recipe.given()}


def _row(file: str, name: str) -> Any:
    rows = _read(file, file)[1]
    if name not in rows:
        raise AtopError(f"{folder()}/{file}.yaml: no '{name}'; known are {', '.join(rows)}")
    return rows[name]


def presets() -> list[str]:
    """Names of all presets."""
    return sorted(path.stem for path in (folder() / "presets").glob("*.yaml"))


def tables() -> list[str]:
    """Names of all tables that have a config."""
    return sorted(path.stem for path in (folder() / "tables").glob("*.yaml"))


def preset(name: str) -> Preset:
    """A preset."""
    return _read(f"presets/{name}", "preset")[1]  # type: ignore[no-any-return]


def compute(preset_name: str, what: str) -> Dict:
    """What a preset says of how networks are run when it trains or attacks; nothing by default."""
    chosen = preset(preset_name).compute
    return (chosen.train if what == "train" else chosen.attack).given()


def public_weights(dataset_name: str, name: str) -> list[str]:
    """Rows of checkpoints.yaml, or files, with a classifier's weights for a dataset."""
    return classifier(name).weights.get(whole(dataset_name), [])


def purifier(name: str, preset_name: str, dataset_name: str = "") -> Dict:
    """What a preset says about a purifier: options, loss, checkpoints; each is empty by default.

    Some options may be others for a dataset.
    """
    own = preset(preset_name).purifiers.get(name)
    row = {"options": {}, "loss": {}, "checkpoints": {}, **(own.given() if own else {})}
    others = row.pop("overrides", {}).get(dataset_name, {})
    return {**row, "options": {**row["options"], **others}}


def inits(name: str, preset_name: str) -> set[str]:
    """Where a purifier can start from: scratch, files of the preset's, rows of checkpoints.yaml."""
    public = (row.partition("-")[::2] for row in read("checkpoints"))
    own = purifier(name, preset_name)["checkpoints"]
    return {"scratch", *own, *(init for purifier, init in public if purifier == name)}


def sizes(preset_name: str, cell: Cell) -> Dict:
    """Side lengths of a cell: what the attacker hands in, what g works on, what f works on.

    They are the preset's; it may have others for a transform or a dataset. A classifier that works
    at one size has the last word about its own and the attacker's, a purifier with `pixels` about
    its own.
    """
    said = preset(preset_name).sizes.given()
    others = said.pop("overrides", {})
    said |= {**others.get(cell.transform, {}), **others.get(cell.dataset, {})}
    if cell.classifier != ANY and (fixed := classifier(cell.classifier).pixels):
        said |= {"input": fixed, "classifier": fixed}
    if own := purifier(cell.purifier, preset_name, cell.dataset)["options"].get("pixels"):
        said["purifier"] = own
    return said


HARNESS = ("method", "pixels", "examples", "through", "after", "judge", "restarts", "scaled")
"""Keys of an attack's row that say how it is run; all others are options of its method."""

JUDGE = 20
"""Draws of an attack's judge, where its row does not say."""


def attack(name: str, preset_name: str) -> Dict:
    """An attack's budget under a preset, and `scaled`: what the preset changed, from what.

    Keys of a preset's `attacks` are patterns such as "strict-*"; later ones win. `version` says how
    AutoAttack is run, which is no smaller budget, so `scaled` does not have it.
    """
    rows = read("attacks")["attacks"]
    if name not in rows:
        raise AtopError(f"{folder()}/attacks.yaml: no attack '{name}'; known are {', '.join(rows)}")
    row: Dict = dict(rows[name])
    scaled: Dict = {}
    for pattern, changes in preset(preset_name).attacks.items():
        for key, value in changes.given().items() if fnmatchcase(name, pattern) else ():
            if key not in row and key not in HARNESS:
                path = f"{folder()}/presets/{preset_name}.yaml"
                raise AtopError(
                    f"{path}: attacks.{pattern}: {name} has no '{key}'; known are {', '.join(row)}"
                )
            scaled.setdefault(key, row.get(key))
            row[key] = value
    scaled.pop("version", None)
    changed = {key: old for key, old in scaled.items() if row[key] != old}
    return {**row, **({"scaled": changed} if changed else {})}


def chain(budget: Dict, preset: str) -> list[Dict]:
    """The budgets of the attacks that go on from each other's pictures, this one the last."""
    after = budget.get("after", "")
    if after not in read("attacks")["attacks"]:
        return [budget]
    before = attack(after, preset)
    return [budget] if before["method"] == "clean" else [*chain(before, preset), budget]


def suite(name: str, preset_name: str) -> Suite:
    """A suite under a preset."""
    suites: dict[str, Suite] = _read("attacks", "attacks")[1].suites
    if name not in suites:
        raise AtopError(f"{folder()}/attacks.yaml: no suite '{name}'; known: {', '.join(suites)}")
    row = suites[name]
    own = preset(preset_name).suites.get(name, SuiteOverrides())
    return Suite(
        target=row.target,
        attacks=tuple(one for one in row.attacks if one not in own.leave_out),
        draws=row.draws if own.draws is None else own.draws,
        selection=row.selection if own.selection is None else own.selection,
    )


def examples(attack_name: str, preset_name: str, dataset_name: str, target: str) -> int:
    """How many test images of a dataset an attack is run on, the first of a preset's choice.

    On the bare classifier they may be more (`evaluation.grey_box`), since a set that is made there
    goes to every defence: for suites whose target it is, and for what their attacks go on from.
    """
    chosen = preset(preset_name).evaluation
    grey_box = target == "classifier" and attack_name in _grey_box()
    said = (grey_box and chosen.grey_box) or chosen.n
    n: int = dataset(dataset_name).test_size if said == "all" else said
    return min(n, attack(attack_name, preset_name).get("examples") or n)


def evaluated(suite_name: str, preset_name: str, dataset_name: str, target: str) -> int:
    """How many test images of a dataset a suite is evaluated on: as many as its smallest set has.

    `target` is what its attacks differentiate where an entry does not say.
    """
    entries = (entry(one, target) for one in suite(suite_name, preset_name).attacks)
    return min(examples(name, preset_name, dataset_name, victim) for name, victim in entries)


def _grey_box() -> set[str]:
    """Attacks that suites make on the bare classifier, and those that they go on from."""
    content = read("attacks")
    names = {
        name
        for row in content["suites"].values()
        for name, victim in (entry(one, row["target"]) for one in row["attacks"])
        if row["target"] == victim == "classifier"
    }
    rows = content["attacks"]
    while more := {rows.get(name, {}).get("after", name) for name in names} - names:
        names |= more
    return names


def pixels(row: Dict, preset_name: str, cell: Cell) -> int:
    """Side length of what an attacker hands in: a number, the dataset's own, or the cell's."""
    said = row.get("pixels") or sizes(preset_name, cell)["input"]
    return dataset(cell.dataset).pixels if said == "native" else said


def entry(text: str, target: str) -> tuple[str, str]:
    """An entry of a suite as attack and victim, which is the suite's target where none is named."""
    name, _, victim = text.partition("@")
    return name, victim or target
