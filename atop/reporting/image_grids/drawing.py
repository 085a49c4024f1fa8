"""A grid of stored pictures as files to look at, and what a page says about them; no torch."""

from collections.abc import Iterator
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.files import write_json, writing
from atop.experiment import paths
from atop.experiment.image_grids import Grid
from atop.reporting.image_grids import captions
from atop.reporting.image_grids.layout import lay_out
from atop.results import stored_images
from atop.results.stored_images import ImagesByCell

ENDINGS = ("png", "pdf", "svg")


def draw(grid: Grid, *, results: Path, out: Path) -> list[Path]:
    """Write out/<name>.{png,pdf,svg} and what a page says about them, .json; return their paths.

    Args:
        grid: under its preset.
        results: the folder that holds <preset>/pictures.
        out: folder of the files.

    Raises:
        AtopError: a broken file of pictures, or not one dataset that has all of its own; where
            another lacks some, the figure says so.
    """
    pictures = _read(grid, results)
    missing = list(_missing(grid, pictures))
    blocks = [one for one in grid.blocks if all(cell in pictures for cell in one.cells)]
    if not blocks:
        raise AtopError(f"{grid.name}: nothing to show; {'; '.join(missing)}")
    figure = lay_out(grid, blocks, pictures, missing)
    written = [out / f"{grid.name}.{ending}" for ending in ENDINGS]
    for path in written:
        with writing(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=200)
    about = out / f"{grid.name}.json"
    write_json(about, captions.account(grid, blocks, pictures, missing))
    return [*written, about]


def _read(grid: Grid, results: Path) -> ImagesByCell:
    """Of all cells whose pictures are there."""
    cells = dict.fromkeys(cell for block in grid.blocks for cell in block.cells)
    files = {cell: results / grid.file(cell).relative_to(paths.RESULTS) for cell in cells}
    return {cell: stored_images.read(path) for cell, path in files.items() if path.exists()}


def _missing(grid: Grid, pictures: ImagesByCell) -> Iterator[str]:
    """Of each dataset that cannot be shown, why."""
    for block in grid.blocks:
        absent = [grid.file(cell) for cell in block.cells if cell not in pictures]
        if absent:
            command = f"snakemake --cores all --resources gpu=1 -- {' '.join(map(str, absent))}"
            why = block.lacks or f"no pictures yet; this makes them: `{command}`"
            yield f"{block.label} is missing: {why}"
