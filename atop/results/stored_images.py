"""Stored images of a cell, clean and attacked, at each stage of its defence."""

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
    "image": "(2, N, 3, S, S) the input",
    "noisy": "(2, N, 3, P, P) corrupted, before masking",
    "masked": "(2, N, V, 3, P, P) the purifier's input",
    "mask": "(2, N, V, 1, P, P) 1 = missing",
    "completed": "(2, N, V, 3, P, P) the purifier's output where mask is 1, elsewhere 0",
    "purified": "(2, N, 3, P, P) the classifier's input",
}
"""Arrays of float32 in a file, of KINDS; V views of P pixels. Noise may leave [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class StoredImages:
    """Images of a cell with their metadata."""

    arrays: dict[str, Array]
    metadata: Dict

    def image(self, show: str, of: str, position: int, view: int) -> Array:
        """Return an image (H, W, 3); `perturbation` is attacked minus clean."""
        if show == "perturbation":
            clean = self.image("image", "clean", position, view)
            return self.image("image", of, position, view) - clean
        array = self.arrays[show][KINDS.index(of), position]
        return np.moveaxis(array[view] if array.ndim == 4 else array, 0, -1)

    def prediction(self, show: str, of: str, position: int) -> int | None:
        """Return the class predicted by the bare classifier or after purification, if any."""
        key = {"image": "bare_predictions", "purified": "predictions"}.get(show)
        return None if key is None else self.metadata[key][KINDS.index(of)][position]


ImagesByCell = dict[Cell, StoredImages]


def read(path: Path) -> StoredImages:
    """Load the images of a cell.

    Raises:
        AtopError: the file or its metadata is broken, or they do not fit together.
    """
    metadata = read_json(path.with_suffix(".json"))
    try:
        with np.load(path) as content:
            arrays = {name: content[name] for name in STAGES}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise AtopError(f"{path}: not a file of images; delete it and run again") from error
    shapes = {values.shape[:2] for values in arrays.values()}
    if shapes != {(len(KINDS), len(metadata["labels"]))}:
        raise AtopError(f"{path}: does not fit its metadata; delete both and run again")
    return StoredImages(arrays=arrays, metadata=metadata)
