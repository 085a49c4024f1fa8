"""What is stored of a cell's pictures, and how it is read again."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.core.values import Dict
from atop.experiment.cells import Cell

Array = NDArray[np.float32]

KINDS = ("clean", "adversarial")
STAGES = {
    "picture": "(2, N, 3, S, S) as handed in",
    "noisy": "(2, N, 3, P, P) corrupted, before masking",
    "masked": "(2, N, V, 3, P, P) what the purifier sees",
    "mask": "(2, N, V, 1, P, P) 1 = missing",
    "completed": "(2, N, V, 3, P, P) what it made where something was missing, elsewhere 0",
    "purified": "(2, N, 3, P, P) what is classified",
}
"""Arrays of float32 in a file, of KINDS; V views of P pixels. Noise may leave [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Pictures of a cell and the account of how they were made."""

    arrays: dict[str, Array]
    account: Dict

    def image(self, show: str, of: str, position: int, view: int) -> Array:
        """A picture (H, W, 3) as it is; `perturbation` is what an attack added."""
        if show == "perturbation":
            clean = self.image("picture", "clean", position, view)
            return self.image("picture", of, position, view) - clean
        found = self.arrays[show][KINDS.index(of), position]
        return np.moveaxis(found[view] if found.ndim == 4 else found, 0, -1)

    def prediction(self, show: str, of: str, position: int) -> int | None:
        """The label that was given to a picture, by the bare classifier or after purification."""
        key = {"picture": "bare_predictions", "purified": "predictions"}.get(show)
        return None if key is None else self.account[key][KINDS.index(of)][position]


Pictures = dict[Cell, Stored]


def read(path: Path) -> Stored:
    """Read the pictures of a cell.

    Raises:
        AtopError: the file or its account is broken, or one lacks what the other has.
    """
    account = read_json(path.with_suffix(".json"))
    try:
        with np.load(path) as content:
            arrays = {name: content[name] for name in STAGES}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise AtopError(f"{path}: not a file of pictures; delete it and run again") from error
    shapes = {values.shape[:2] for values in arrays.values()}
    if shapes != {(len(KINDS), len(account["labels"]))}:
        raise AtopError(f"{path}: not the pictures of its account; delete both and run again")
    return Stored(arrays=arrays, account=account)
