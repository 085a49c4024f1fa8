"""Draw a grid of stored images, and write what a page says about it; without torch."""

from collections.abc import Iterator
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.files import write_json, writing
from atop.experiment import paths
from atop.experiment.image_grids import Grid
from atop.reporting.commands import snakemake
from atop.reporting.image_grids import captions
from atop.reporting.image_grids.layout import lay_out
from atop.results import stored_images
from atop.results.stored_images import ImagesByCell

ENDINGS = ("png", "pdf", "svg")


def draw(grid: Grid, *, results: Path, out: Path) -> list[Path]:
    """Write out/<name>.{png,pdf,svg} and the texts as .json from the images in `results`.

    Raises:
        AtopError: a file of images is broken, or no dataset has all its images; a figure with at
            least one complete dataset names what is missing.
    """
    images = _read(grid, results)
    missing = list(_missing(grid, images))
    blocks = [block for block in grid.blocks if all(cell in images for cell in block.cells)]
    if not blocks:
        raise AtopError(f"{grid.name}: nothing to show; {'; '.join(missing)}")
    figure = lay_out(grid, blocks, images, missing)
    written = [out / f"{grid.name}.{ending}" for ending in ENDINGS]
    for path in written:
        with writing(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=200)
    about = out / f"{grid.name}.json"
    write_json(about, captions.metadata(grid, blocks, images, missing))
    return [*written, about]


def _read(grid: Grid, results: Path) -> ImagesByCell:
    """Read the images of all cells that have some."""
    cells = dict.fromkeys(cell for block in grid.blocks for cell in block.cells)
    files = {cell: results / grid.file(cell).relative_to(paths.RESULTS) for cell in cells}
    return {cell: stored_images.read(path) for cell, path in files.items() if path.exists()}


def _missing(grid: Grid, images: ImagesByCell) -> Iterator[str]:
    """Yield the reason for each dataset that cannot be shown."""
    for block in grid.blocks:
        absent = [grid.file(cell) for cell in block.cells if cell not in images]
        if absent:
            command = snakemake(grid.preset, *absent)
            reason = block.missing or f"no images yet; this command makes them: `{command}`"
            yield f"{block.label} is missing: {reason}"
