"""Registries of the method: `classifiers/`, `purifiers/`, `transforms/` and `attacks/`.

A member is a module or package without an underscore before its name. Its `build`, a function or a
class, takes the options of the config. A member is imported when it is first used.
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
    """Return the sorted names of all members of the registry `kind`."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent / kind)])
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def build(kind: str, name: str, **options: Any) -> Any:
    """Build the member `name` of the registry `kind` with its options from the config.

    Raises:
        AtopError: no such member, or it does not accept the options.
    """
    module = module_of(kind, name)
    try:
        return module.build(**options)
    except (TypeError, ValueError) as error:
        raise AtopError(f"{kind}/{name}: options {options} do not fit: {error}") from error


def module_of(kind: str, name: str) -> Any:
    """Import the module of the member `name`.

    Raises:
        AtopError: no such member, or it has no `build`.
    """
    require(kind, name)
    module = importlib.import_module(f"atop.method.{kind}.{name}")
    if not hasattr(module, "build"):
        raise AtopError(f"{module.__file__}: no function build(**options) that returns one")
    return module


def require(kind: str, name: str) -> None:
    """Raise AtopError, which lists all names, unless `name` is a member; import nothing."""
    if name not in members(kind):
        raise AtopError(f"no '{name}' in atop/method/{kind}/: known are {', '.join(members(kind))}")
