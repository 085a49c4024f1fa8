"""Grids of images under a preset (image_grids.yaml): which cell's images are shown where."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.experiment import availability, config, paper, paths
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.settings.image_grids import GridData, GridSpec, PanelRow, PanelSpec, Patch
from atop.experiment.substitutes import substitute

EIGHTHS = 8
"""The unit of patches: this share of an image's side."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel of a grid.

    Attributes:
        show: image, perturbation, noisy, masked, completed or purified.
        of: clean or adversarial.
        view: number of the masked view, from 0.
        title: above it.
        cell: of the defence.
    """

    show: str
    of: str
    view: int
    title: str
    cell: Cell


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of panels; None is an empty place."""

    label: str
    panels: tuple[Panel | None, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """The part of a figure that shows one dataset.

    Attributes:
        label: name of the dataset.
        rows: repeated for each image.
        patch: the enlarged part of an image.
        missing: downloads that the preset does not make; None if nothing.
        substitutes: dataset and classifier in place of those that the file names.
    """

    label: str
    rows: tuple[Row, ...]
    patch: Patch
    missing: str | None
    substitutes: tuple[str, ...]

    @property
    def cells(self) -> list[Cell]:
        """All its cells, each once."""
        return list(dict.fromkeys(panel.cell for panel in self.panels))

    @property
    def panels(self) -> list[Panel]:
        """All its panels, row by row."""
        return [panel for row in self.rows for panel in row.panels if panel]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A figure under a preset; `spec` is its entry in the file, `attack` made the images."""

    name: str
    preset: Preset
    attack: str
    spec: GridSpec
    blocks: tuple[Block, ...]

    @property
    def title(self) -> str:
        """Its number and its title, such as "Figure 5: ..."."""
        return f"{paper.title(self.name)}: {self.spec.title}"

    def file(self, cell: Cell) -> Path:
        """The stored images of a cell."""
        return paths.images(self.preset, cell, self.attack)

    def files(self) -> list[Path]:
        """All stored images that it needs and that can be made here, each once."""
        blocks = (block for block in self.blocks if not block.missing)
        return list(dict.fromkeys(self.file(cell) for block in blocks for cell in block.cells))


def names() -> list[str]:
    """Names of all grids."""
    return list(config.image_grids().figures)


def stored(attack: str, preset: Preset, dataset: str) -> int:
    """Number of images that are stored of a cell: no more than are attacked."""
    return min(config.image_grids().images, preset.examples(attack, dataset, "classifier"))


def grid(name: str, preset: Preset, *, files: str | Path | None = None, **overrides: Any) -> Grid:
    """A grid under a preset.

    Args:
        name: a figure of image_grids.yaml.
        preset: of its cells.
        files: folder of the user's data and weights.
        overrides: init, recipe or seed of all cells; None keeps the file's.

    Raises:
        AtopError: no such figure.
    """
    content = config.image_grids()
    if name not in content.figures:
        raise AtopError(
            f"{config.folder()}/image_grids.yaml: no '{name}'; known are {', '.join(names())}"
        )
    spec = content.figures[name]
    given = {key: value for key, value in overrides.items() if value is not None}
    folder = Path(files) if files else None
    return Grid(
        name=name,
        preset=preset,
        attack=content.attack,
        spec=spec,
        blocks=tuple(_block(spec, data, preset, given, folder) for data in content.datasets),
    )


def _block(
    spec: GridSpec, data: GridData, preset: Preset, overrides: Dict, files: Path | None
) -> Block:
    shared = {**spec.cell.given(), **data.cell.given()}
    rows = tuple(
        Row(
            label=row.label,
            panels=tuple(
                _panel(panel, row, shared, preset, overrides) if panel else None
                for panel in row.panels
            ),
        )
        for row in spec.rows
    )
    named = Cell(**shared)
    runs = substitute(named, preset, overrides)
    pairs = ((runs.dataset, named.dataset), (runs.classifier, named.classifier))
    block = Block(
        label=data.label,
        rows=rows,
        patch=data.patch,
        substitutes=tuple(name for name, original in pairs if name != original),
        missing=None,
    )
    missing = (availability.missing(cell, preset, files) for cell in block.cells)
    return replace(block, missing=next(filter(None, missing), None))


def _panel(spec: PanelSpec, row: PanelRow, shared: Dict, preset: Preset, overrides: Dict) -> Panel:
    own = [cell.given() for cell in (row.cell, spec.cell) if cell]
    named = Cell(**{key: value for part in (shared, *own) for key, value in part.items()})
    return Panel(
        show=spec.show,
        of=row.of,
        view=spec.view - 1,
        title=spec.title,
        cell=substitute(named, preset, overrides),
    )
