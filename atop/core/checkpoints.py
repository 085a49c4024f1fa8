"""Weights on disk: safetensors, with what made them in a JSON file beside."""

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

# What training loops leave beside weights: scalars, by both names of one function, and options.
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
    """A file that is not whole: another copy of it may be."""


def save(path: Path, network: nn.Module, about: dict[str, Any]) -> None:
    """Write a network's weights to `path` and `about` to `path` with the ending .json."""
    write_json(path.with_suffix(".json"), about)
    state = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    with writing(path) as temporary:
        save_file(state, temporary)


def read(path: Path) -> dict[str, Any]:
    """The weights in a .safetensors file, or what torch saved in any other: tensors and numbers.

    Raises:
        AtopError: missing, or made of other classes, whose unpickling could run any code.
        BrokenError: truncated, or not weights.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals(_PLAIN):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        made = path.parts[0] == "results"
        mend = f"; make it with 'snakemake --cores all -- {path}'" if made else ""
        raise AtopError(f"{path}: no such checkpoint{mend}") from error
    except Exception as error:  # a broken pickle makes torch's reader raise almost anything
        if isinstance(error, UnpicklingError) and (named := _CLASS.search(str(error))):
            raise AtopError(
                f"{path}: refused, since it holds a {named[1]}, and unpickling that can run code; "
                "save its tensors alone"
            ) from error
        if path.is_file() and is_page(path):
            raise AtopError(
                f"{path}: a web page, perhaps about a quota, not weights; delete it and run again"
            ) from error
        # Its advice to switch the safety off comes before what is wrong.
        told = str(error).rpartition("WeightsUnpickler error:")[2].strip()
        reason = (told.splitlines() or [type(error).__name__])[0].partition(". ")[0]
        raise BrokenError(
            f"{path}: not a whole checkpoint ({reason}); delete it and run again"
        ) from error
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise AtopError(f"{path}: weights of another network: it holds no state dict, but a {kind}")
    return found


def is_page(path: Path) -> bool:
    """Whether a file is a web page, such as one about a quota, whatever its name."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml"))


def verify(path: Path, expected: str | None) -> None:
    """Raise AtopError unless the file has the SHA-256 that the config gives, if it gives one."""
    if expected is not None and path.exists() and (found := sha256(path)) != expected:
        raise AtopError(
            f"{path}: SHA-256 is {found[:12]}..., the config says {expected[:12]}...; "
            "fetch it again or correct the config"
        )


def load(network: nn.Module, path: Path) -> None:
    """Load weights strictly.

    Raises:
        AtopError: the file is broken, or its names or shapes are another network's.
    """
    fill(network, read(path), source=path)


def fill(
    network: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    source: Path | str,
    missing: re.Pattern[str] = _NONE,
    surplus: re.Pattern[str] = _NONE,
) -> None:
    """Put weights into a network strictly.

    Args:
        network: what is filled.
        weights: by the network's own names.
        source: their file.
        missing: names that they may leave out.
        surplus: names that they may hold beside the network's.

    Raises:
        AtopError: names or shapes are another network's.
    """
    for name, value in network.state_dict().items():
        shape = getattr(weights.get(name), "shape", value.shape)
        if shape != value.shape:
            raise another(source, f"{name} is {tuple(shape)}, the network's {tuple(value.shape)}")
    try:
        found = network.load_state_dict(weights, strict=False)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise another(source, str(error)) from error
    wrong = {
        "missing": [name for name in found.missing_keys if not missing.search(name)],
        "surplus": [name for name in found.unexpected_keys if not surplus.search(name)],
    }
    if any(wrong.values()):
        reasons = (f"{kind} {_some(names)}" for kind, names in wrong.items() if names)
        raise another(source, ", ".join(reasons))


def _some(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if names[1:] else "")


def another(source: Path | str, reason: str) -> AtopError:
    """The error for weights of another network."""
    return AtopError(
        f"{source}: weights of another network: {' '.join(reason.split())[:200]}; "
        "its options in the config must be those of the file"
    )
