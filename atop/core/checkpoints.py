"""Weights on disk: a safetensors file, and a JSON file that says how they were made."""

import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from atop.core.errors import AtopError
from atop.core.files import sha256, write_json, writing

# Training loops save scalars and options with the weights. NumPy has two names for one function.
_SCALAR = np.float64(0).__reduce__()[0]
_PLAIN: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    Namespace,
    *(type(np.dtype(kind)) for kind in "?bhilqBHILQefd"),
]
_CLASS = re.compile(r"GLOBAL (\S+)")
_NONE = re.compile(r"(?!)")


class BrokenError(AtopError):
    """The file is damaged; another copy of it may be intact."""


def save(path: Path, network: nn.Module, about: dict[str, Any]) -> None:
    """Write a network's weights to `path` and `about` to `path` with the ending .json."""
    write_json(path.with_suffix(".json"), about)
    state = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    with writing(path) as temporary:
        save_file(state, temporary)


def read(path: Path) -> dict[str, Any]:
    """Read weights from a .safetensors file, or tensors and numbers that torch saved in any other.

    Raises:
        AtopError: the file is missing, or holds other classes, whose unpickling could run any code.
        BrokenError: the file is truncated, or holds no weights.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals(_PLAIN):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        is_output = path.parts[0] == "results"
        fix = f"; make it with 'snakemake --cores all -- {path}'" if is_output else ""
        raise AtopError(f"{path}: no such checkpoint{fix}") from error
    except Exception as error:  # torch's reader may raise almost anything on a damaged pickle
        if isinstance(error, UnpicklingError) and (match := _CLASS.search(str(error))):
            raise AtopError(
                f"{path}: refused, since it holds a {match[1]}, and unpickling that can run code; "
                "save its tensors alone"
            ) from error
        if path.is_file() and is_web_page(path):
            raise AtopError(
                f"{path}: a web page, perhaps about a quota, not weights; delete it and run again"
            ) from error
        # Skip torch's advice to switch the protection off; the cause comes after it.
        cause = str(error).rpartition("WeightsUnpickler error:")[2].strip()
        reason = (cause.splitlines() or [type(error).__name__])[0].partition(". ")[0]
        raise BrokenError(
            f"{path}: not a complete checkpoint ({reason}); delete it and run again"
        ) from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise AtopError(f"{path}: weights of another network: it holds no state dict, but a {kind}")
    return content


def is_web_page(path: Path) -> bool:
    """Return true if the file holds HTML or XML, such as a page about a quota."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml"))


def verify(path: Path, expected: str | None) -> None:
    """Raise AtopError if the file's SHA-256 differs from the config's; None expects nothing."""
    if expected is not None and path.exists() and (actual := sha256(path)) != expected:
        raise AtopError(
            f"{path}: SHA-256 is {actual[:12]}..., the config says {expected[:12]}...; "
            "fetch it again or correct the config"
        )


def load(network: nn.Module, path: Path) -> None:
    """Load weights strictly; raise the errors of `read` and `fill`."""
    fill(network, read(path), source=path)


def fill(
    network: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    source: Path | str,
    missing: re.Pattern[str] = _NONE,
    surplus: re.Pattern[str] = _NONE,
) -> None:
    """Put weights into a network strictly; `source` is their file, for messages.

    `missing` matches names that the weights may lack, `surplus` names that the network may lack.

    Raises:
        AtopError: names or shapes belong to another network.
    """
    for name, value in network.state_dict().items():
        shape = getattr(weights.get(name), "shape", value.shape)
        if shape != value.shape:
            reason = f"{name} is {tuple(shape)}, the network's {tuple(value.shape)}"
            raise mismatch(source, reason)
    try:
        keys = network.load_state_dict(weights, strict=False)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise mismatch(source, str(error)) from error
    wrong = {
        "missing": [name for name in keys.missing_keys if not missing.search(name)],
        "surplus": [name for name in keys.unexpected_keys if not surplus.search(name)],
    }
    if any(wrong.values()):
        reasons = (f"{kind} {_first_of(names)}" for kind, names in wrong.items() if names)
        raise mismatch(source, ", ".join(reasons))


def _first_of(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if names[1:] else "")


def mismatch(source: Path | str, reason: str) -> AtopError:
    """Return the error for weights of another network."""
    return AtopError(
        f"{source}: weights of another network: {' '.join(reason.split())[:200]}; "
        "its options in the config must be those of the file"
    )
