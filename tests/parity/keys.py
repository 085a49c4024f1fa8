"""What both sides of the key fixtures share: names and shapes of a state dict, written briefly.

One line a tensor, `NAME: SHAPE`, and one for the five tensors of a batch normalisation, `NAME: norm
CHANNELS`. Of very long lists only a digest is kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from unittest.mock import patch

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def shapes(state: Mapping[str, Tensor]) -> Shapes:
    """Names and shapes of a state dict."""
    return {name: tuple(value.shape) for name, value in state.items()}


def written(found: Shapes) -> list[str] | str:
    """The lines for names and shapes, or their digest."""
    lines = []
    for name, shape in found.items():
        module, _, leaf = name.rpartition(".")
        norm = all(f"{module}.{part}" in found for part in _NORM)
        if not norm:
            lines.append(f"{name}: {' '.join(map(str, shape))}")
        elif leaf == _NORM[0]:
            lines.append(f"{module}: norm {shape[0]}")
    if len(lines) <= 500:
        return lines
    return f"{len(lines)} lines, SHA-256 {sha256(chr(10).join(lines).encode()).hexdigest()}"


def read(lines: Iterable[str]) -> Shapes:
    """The names and shapes that lines stand for."""
    found: Shapes = {}
    for name, text in (line.split(":") for line in lines):
        if text.startswith(" norm"):
            shape = (int(text.split()[1]),)
            found |= {f"{name}.{part}": shape for part in _NORM}
            found[f"{name}.{_NORM[-1]}"] = ()
        else:
            found[name] = tuple(map(int, text.split()))
    return found


@contextmanager
def without_numbers() -> Iterator[None]:
    """Networks made inside have names and shapes but no memory; some print numbers of theirs."""
    with torch.device("meta"), patch.object(torch.Tensor, "item", lambda _: 0.0):
        yield
