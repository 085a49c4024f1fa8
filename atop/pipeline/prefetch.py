"""Fetching of all that a table needs, before a machine loses its network."""

from pathlib import Path
from typing import NamedTuple

from atop.experiment import availability, dataset_files, paths, weight_files
from atop.experiment.tables import Table
from atop.pipeline.checkpoints import inventory


class Need(NamedTuple):
    """A dataset or a file of public weights.

    Attributes:
        kind: dataset or weights.
        name: of the dataset, or the file's path under results/checkpoints/.
        path: of the fetched file.
        size: of the file, if known.
    """

    kind: str
    name: str
    path: Path
    size: str


def needs(table: Table) -> list[Need]:
    """Datasets and public weights of a table's cells under its preset, each once."""
    needs: dict[Need, None] = {}
    for row, column in table.numbers():
        cell = table.cell(row, column)
        if cell is None or table.not_run(row, column):
            continue
        if not dataset_files.source(cell.dataset).local:
            needs[Need("dataset", cell.dataset, paths.dataset(cell.dataset), "")] = None
        for path in availability.weights(cell, table.preset):
            size = inventory.size(weight_files.row_of(path))
            needs[Need("weights", str(path.relative_to(paths.CHECKPOINTS)), path, size)] = None
    return list(needs)


def where(need: Need, folder: Path | None) -> str:
    """The place of a need: "here", "in folder" or "missing"."""
    if need.path.exists():
        return "here"
    if need.kind == "weights":
        there = availability.has_weights(need.path, folder)
    else:
        there = availability.has_data(need.name, folder)
    return "in folder" if there else "missing"


def fetch(need: Need, *, folder: Path | None, offline: bool) -> Path:
    """Fetch a need from the user's folder or its host.

    Raises:
        AtopError: it cannot be had, or is not what it should be.
    """
    if need.kind == "weights":
        from atop.pipeline.checkpoints import (
            download,  # which opens weights, and so imports torch; a list does not
        )

        return download.fetch(download.named(need.name), folder=folder, offline=offline)
    from atop.pipeline import datasets as data

    if need.path.exists():
        return need.path
    return data.fetch(need.name, folder=folder, offline=offline)
