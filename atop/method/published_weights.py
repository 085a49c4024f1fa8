"""Somebody else's file of weights, unwrapped."""

from pathlib import Path

from torch import Tensor

from atop.core import checkpoints
from atop.core.errors import AtopError

State = dict[str, Tensor]

_ENTRIES = ("model_state_dict", "state_dict", "net", "model")
"""Where training scripts put the weights: DiffPure, RobustBench, kuangliu, perceptual-advex."""

_PREFIXES = ("module.0.", "module.")
"""What DataParallel puts before every name, around a Sequential too."""


def weights(files: list[Path]) -> State:
    """The weights in the one file of a network, without what its authors wrap them in.

    Raises:
        AtopError: the file is missing, broken, or no state dict; more than one file.
    """
    if len(files) != 1:
        raise AtopError(f"{', '.join(map(str, files)) or 'no file'}: this network has one file")
    found = checkpoints.read(files[0])
    while isinstance(found, dict) and (entry := next((e for e in _ENTRIES if e in found), None)):
        found = found[entry]
    if not isinstance(found, dict) or not all(isinstance(x, Tensor) for x in found.values()):
        raise AtopError(f"{files[0]}: holds no state dict; name a file of weights")
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found
