"""Fetches a dataset from wherever it may be had, and believes it only if the pixels hash right."""

import importlib
from pathlib import Path

import numpy as np

from atop import config, paths
from atop.data.dataset import content_sha256, save
from atop.errors import AtopError


def fetch(name: str, *, folder: Path | None = None) -> Path:
    """Fetch the dataset `name` of datasets.yaml; return where it lies.

    Args:
        name: of the dataset.
        folder: where the user has it already; None asks the official host, then the mirror.

    Raises:
        AtopError: it cannot be had, or its pixels are not the published ones.
    """
    row = config.dataset(name)
    arrays = importlib.import_module(f"atop.data.{row['source']}").fetch(folder)
    for split, expected in row["sha256"].items():
        found = content_sha256(arrays[f"{split}_images"], arrays[f"{split}_labels"])
        if found != expected:
            raise AtopError(
                f"{folder or name}: the {split} pictures have SHA-256 {found[:12]}..., not the "
                f"{expected[:12]}... of datasets.yaml; they are not {name} as published"
            )
        arrays.setdefault(f"{split}_index", np.arange(len(arrays[f"{split}_labels"])))
    path = paths.dataset(name)
    save(path, arrays)
    return path
