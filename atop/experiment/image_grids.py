"""The picture grids of pictures.yaml under a preset: which cell's pictures stand where."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.experiment import availability, config, paper, paths
from atop.experiment.cells import Cell
from atop.experiment.substitutes import stand_in
from atop.experiment.validate import check_cell

EIGHTHS = 8
"""In which patches are measured."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A place of a grid.

    Attributes:
        show: picture, perturbation, noisy, masked, completed or purified.
        of: clean or adversarial.
        view: which of the masked views, from 0.
        title: what stands above it.
        cell: whose defence the picture went through.
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
        label: the dataset's name.
        rows: repeated for each picture.
        patch: row, column and side of what is enlarged, in eighths of a picture.
        lacks: what it takes that the preset does not fetch; None if nothing.
        instead: data and networks that stand in for those that the file names.
    """

    label: str
    rows: tuple[Row, ...]
    patch: Dict
    lacks: str | None
    instead: tuple[str, ...]

    @property
    def cells(self) -> list[Cell]:
        """All its cells, each once."""
        return list(dict.fromkeys(panel.cell for panel in self.panels))

    @property
    def panels(self) -> list[Panel]:
        """All its panels but for empty places, row by row."""
        return [panel for row in self.rows for panel in row.panels if panel]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A figure under a preset; `spec` is its entry in the file, `attack` what made the pictures."""

    name: str
    preset: str
    attack: str
    spec: Dict
    blocks: tuple[Block, ...]

    @property
    def title(self) -> str:
        """Figure 5: what it shows."""
        return f"{paper.title(self.name)}: {self.spec['title']}"

    def file(self, cell: Cell) -> Path:
        """Where the pictures of a cell lie."""
        return paths.pictures(self.preset, cell, self.attack)

    def files(self) -> list[Path]:
        """All that it needs and that can be made here, each once."""
        found = (self.file(cell) for one in self.blocks if not one.lacks for cell in one.cells)
        return list(dict.fromkeys(found))


def names() -> list[str]:
    """All grids of the file."""
    return list(config.read("pictures")["figures"])


def pictures(attack: str, preset: str, dataset: str) -> int:
    """How many pictures a preset keeps of a cell: no more than it attacks."""
    kept: int = config.read("pictures")["pictures"]
    return min(kept, config.examples(attack, preset, dataset, "classifier"))


def grid(name: str, preset: str, *, files: str | Path | None = None, **words: Any) -> Grid:
    """A grid under a preset.

    Args:
        name: a figure of pictures.yaml.
        preset: a file of workflow/config/presets.
        files: a folder where the user has data and weights.
        words: init, recipe or seed of all cells, instead of the file's; None leaves them.

    Raises:
        AtopError: no such figure, or a panel shows what there is not; names the key.
    """
    content = config.read("pictures")
    if name not in content["figures"]:
        raise AtopError(f"{_where()}: no '{name}'; known are {', '.join(names())}")
    spec = content["figures"][name]
    said = {key: word for key, word in words.items() if word is not None}
    made = Grid(
        name=name,
        preset=preset,
        attack=content["attack"],
        spec=spec,
        blocks=tuple(
            _block(spec, one, preset, said, Path(files) if files else None)
            for one in content["datasets"]
        ),
    )
    _check(made)
    return made


def check() -> None:
    """Raise AtopError unless every grid can be laid out under every preset."""
    for preset in config.presets():
        config.attack(config.read("pictures")["attack"], preset)
        for name in names():
            grid(name, preset)


def _block(spec: Dict, dataset: Dict, preset: str, words: Dict, files: Path | None) -> Block:
    shared = {**spec["cell"], **dataset["cell"]}
    rows = tuple(
        Row(
            label=row["label"],
            panels=tuple(
                panel and _panel(panel, row, shared, preset, words) for panel in row["panels"]
            ),
        )
        for row in spec["rows"]
    )
    named, runs = Cell(**shared), stand_in(Cell(**shared), preset, words)
    pairs = ((runs.dataset, named.dataset), (runs.classifier, named.classifier))
    instead = tuple(one for one, meant in pairs if one != meant)
    block = Block(
        label=dataset["label"], rows=rows, patch=dataset["patch"], instead=instead, lacks=None
    )
    lacks = (availability.lacks(cell, preset, files) for cell in block.cells)
    return replace(block, lacks=next(filter(None, lacks), None))


def _panel(spec: Dict, row: Dict, shared: Dict, preset: str, words: Dict) -> Panel:
    named = Cell(**{**shared, **row.get("cell", {}), **spec.get("cell", {})})
    return Panel(
        show=spec["show"],
        of=row["of"],
        view=spec.get("view", 1) - 1,
        title=spec["title"],
        cell=stand_in(named, preset, words),
    )


def _check(made: Grid) -> None:
    """Its cells are known, its pictures kept, its patch inside, its views made."""
    where = f"{_where()}: figures.{made.name}"
    datasets = {cell.dataset for block in made.blocks for cell in block.cells}
    kept = min(pictures(made.attack, made.preset, dataset) for dataset in datasets)
    if max(made.spec["positions"]) >= kept:
        raise AtopError(
            f"{where}.positions: {kept} pictures are kept in preset {made.preset}; raise "
            f"`pictures`, or that preset's examples of attack {made.attack}"
        )
    for block in made.blocks:
        if max(block.patch["row"], block.patch["column"]) + block.patch["side"] > EIGHTHS:
            raise AtopError(f"{_where()}: datasets: the patch of {block.label} ends outside of it")
    for panel in (panel for block in made.blocks for panel in block.panels):
        check_cell(panel.cell, made.preset)
        views = config.transform_of(made.preset, panel.cell)[1].get("masks", 1)
        if panel.view >= views:
            raise AtopError(
                f"{where}.rows: no view {panel.view + 1}; {panel.cell.transform} makes {views}"
            )


def _where() -> str:
    return f"{config.folder()}/pictures.yaml"
