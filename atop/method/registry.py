"""Finds the members of a registry: one file each, found by its name.

`classifiers/`, `purifiers/`, `transforms/` and `attacks/` are registries. A member is a module
(or a package) whose name does not begin with an underscore and that has a function `build`; the
config refers to it by the module's name. Nothing is imported until it is asked for.
"""

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

from atop.core.errors import AtopError

KINDS = ("classifiers", "purifiers", "transforms", "attacks")


@cache
def members(kind: str) -> list[str]:
    """Names of all members of the registry `kind`, sorted."""
    folder = Path(__file__).parent / kind
    found = (module.name for module in pkgutil.iter_modules([str(folder)]))
    return sorted(name for name in found if not name.startswith("_"))


def build(kind: str, name: str, **options: Any) -> Any:
    """Build the member `name` of the registry `kind` with its options from the config.

    Raises:
        AtopError: no such member, or options that it does not take.
    """
    module = module_of(kind, name)
    try:
        return module.build(**options)
    except (TypeError, ValueError) as error:
        raise AtopError(f"{kind}/{name}: options {options} do not fit: {error}") from error


def module_of(kind: str, name: str) -> Any:
    """Import the module of the member `name`.

    Raises:
        AtopError: no such member, or one that has no function `build`.
    """
    require(kind, name)
    module = importlib.import_module(f"atop.method.{kind}.{name}")
    if not hasattr(module, "build"):
        raise AtopError(f"{module.__file__}: no function build(**options) that returns one")
    return module


def require(kind: str, name: str) -> None:
    """Raise AtopError with the known names unless `name` is a member; nothing is imported."""
    if name not in members(kind):
        raise AtopError(f"no '{name}' in atop/method/{kind}/: known are {', '.join(members(kind))}")
