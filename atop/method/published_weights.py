"""Files of weights that others published."""

from pathlib import Path

from torch import Tensor

from atop.core import checkpoints
from atop.core.errors import AtopError

State = dict[str, Tensor]

_ENTRIES = ("model_state_dict", "state_dict", "net", "model")
"""Keys of the weights in files of DiffPure, RobustBench, kuangliu and perceptual-advex."""

_PREFIXES = ("module.0.", "module.")
"""Prefixes that DataParallel adds to every name, also if it wraps a Sequential."""


def weights(files: list[Path]) -> State:
    """Return the state dict in the single file of a network, without outer keys and prefixes.

    Raises:
        AtopError: the file is missing, damaged, or no state dict; more than one file.
    """
    if len(files) != 1:
        raise AtopError(f"{', '.join(map(str, files)) or 'no file'}: this network has one file")
    state = checkpoints.read(files[0])
    while isinstance(state, dict) and (entry := next((e for e in _ENTRIES if e in state), None)):
        state = state[entry]
    if not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
        raise AtopError(f"{files[0]}: holds no state dict; name a file of weights")
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state
