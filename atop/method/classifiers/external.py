"""A classifier or a whole defence of the user's, which a function of a Python file returns."""

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import nn

from atop.core.errors import AtopError
from atop.core.files import provided
from atop.method.user_module import UserModule

GIVEN: dict[str, nn.Module] = {}
"""Modules that a program gave, by the file that stands for each; no file is run for them."""


def build(
    *,
    classes: int,
    pixels: int,
    file: str,
    build: str = "build",
    options: Mapping[str, Any] | None = None,
    files: Sequence[str] = (),
) -> UserModule:
    """Run a file and call its function.

    Args:
        classes: number of logits.
        pixels: side length of the images.
        file: a Python file, whose path is relative to the current folder.
        build: its function, which returns a module that maps images in [0, 1] to logits.
        options: of the function.
        files: other files that it reads, such as weights; records hold their hashes.

    Raises:
        AtopError: no such file or function, or it does not return a module.
    """
    if missing := next((each for each in files if not provided(Path(each)).exists()), None):
        raise AtopError(f"{missing}: no such file")
    module = GIVEN[file] if file in GIVEN else _from_file(file, build, options or {})
    return UserModule(module, classes=classes, pixels=pixels)


def _from_file(file: str, name: str, options: Mapping[str, Any]) -> nn.Module:
    function = getattr(_imported(provided(Path(file))), name, None)
    if not callable(function):
        raise AtopError(f"{file}: no function {name}")
    try:
        module = function(**options)
    except TypeError as error:
        raise AtopError(f"{file}: {name}({dict(options)}): {error}") from error
    if not isinstance(module, nn.Module):
        raise AtopError(f"{file}: {name}() returned {type(module).__name__}, not an nn.Module")
    return module


def _imported(path: Path) -> Any:
    """Import a file; modules beside it can be imported by it."""
    if not path.is_file():
        raise AtopError(f"{path}: no such file")
    name = f"atop_user_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AtopError(f"{path}: not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module
