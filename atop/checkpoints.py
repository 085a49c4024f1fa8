"""Weights on disk: safetensors, with what made them in a JSON file beside."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from atop.errors import AtopError
from atop.files import sha256, write_json, writing


def save(path: Path, network: nn.Module, about: dict[str, Any]) -> None:
    """Write a network's weights to `path` and `about` to `path` with the ending .json."""
    write_json(path.with_suffix(".json"), about)
    state = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    with writing(path) as temporary:
        save_file(state, temporary)


def read(path: Path) -> dict[str, Any]:
    """The weights in a .safetensors file, or what torch saved in any other.

    Raises:
        AtopError: missing, truncated, or not weights.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except FileNotFoundError as error:
        raise AtopError(f"{path}: no such checkpoint") from error
    except Exception as error:  # a broken pickle makes torch's reader raise almost anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise AtopError(
            f"{path}: not a whole checkpoint ({reason}); delete it and run again"
        ) from error


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
    state: dict[str, Tensor] = read(path)
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AtopError(f"{path}: weights of another network: {reason}") from error
