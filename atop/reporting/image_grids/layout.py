"""Layout of an image grid on a page. Lengths are in inches from the upper left corner."""

from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from atop.experiment import config
from atop.experiment.image_grids import EIGHTHS, Block, Grid, Panel, Row
from atop.experiment.settings.image_grids import Patch
from atop.reporting.image_grids import captions
from atop.results.stored_images import Array, ImagesByCell

SIDE, GAP, MARGIN = 1.2, 0.07, 0.1
"""Side of an image, distance of two images in a row, margin of the page."""
LABEL, TITLE, BELOW, HEADING, LINE = 0.2, 0.19, 0.21, 0.3, 0.17
"""Space left of a row, above and below it, above the rows of a test image; height of a line."""
SMALL, LARGE = 8, 10
COLOURS = {True: "#116329", False: "#a40e26"}
FRAME, INSET = "#ffd400", 0.4
"""Colour of an enlarged patch, and its share of the side of its image."""


def lay_out(grid: Grid, blocks: list[Block], images: ImagesByCell, missing: list[str]) -> Figure:
    """Return a page with a title, the available blocks and the reasons why others are missing."""
    width, height = _size(grid, blocks[0])
    columns, rows = (len(blocks), 1) if grid.spec.across else (1, len(blocks))
    total = columns * width
    title = _wrapped(grid.title, total, LARGE, bold=True)
    above = _wrapped(captions.subtitle(grid, blocks), total, SMALL)
    below = [line for reason in missing for line in _wrapped(reason, total, SMALL)]
    top = MARGIN + LINE * (len(title) + len(above))
    bottom = top + rows * height + (LINE / 2 if below else 0)
    page = Page(total + 2 * MARGIN, bottom + LINE * len(below) + MARGIN)
    page.lines(MARGIN, title, fontsize=LARGE, weight="bold")
    page.lines(MARGIN + LINE * len(title), above)
    page.lines(bottom, below, color="dimgrey")
    for number, block in enumerate(blocks):
        column, row = number % columns, number // columns
        painter = Painter(page, block, images, enlarge=grid.spec.enlarge)
        painter.paint(grid.spec.positions, MARGIN + column * width, top + row * height)
    return page.figure


class Page:
    """A figure whose contents are placed in inches."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height))

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Add a text that starts at x, or as `ha` says, with its middle at y."""
        style = {"fontsize": SMALL, "va": "center", "parse_math": False, **style}
        self.figure.text(x / self.width, 1 - y / self.height, text, **style)

    def lines(self, top: float, texts: list[str], **style: Any) -> None:
        """Add lines of text from `top` downwards."""
        for number, text in enumerate(texts):
            self.text(MARGIN, top + LINE * (number + 0.5), text, **style)

    def image(self, x: float, y: float, image: Array) -> Axes:
        """Add an image (H, W, 3) in [0, 1] as a square of SIDE."""
        place = (x / self.width, 1 - (y + SIDE) / self.height)
        axes = self.figure.add_axes((*place, SIDE / self.width, SIDE / self.height))
        axes.imshow(image)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_linewidth(0.4)
        return axes


@dataclass(frozen=True)
class Painter:
    """Draws a block on a page."""

    page: Page
    block: Block
    images: ImagesByCell
    enlarge: bool

    def paint(self, positions: list[int], left: float, top: float) -> None:
        """Draw all rows for the test image at each position."""
        for position in positions:
            heading = captions.heading(self.block, self.images[self.block.cells[0]], position)
            self.page.text(left, top + HEADING / 2, heading, weight="bold")
            top += HEADING
            for row, titles in zip(self.block.rows, _titles(self.block.rows), strict=True):
                top += TITLE if any(titles) else 0
                self.page.text(
                    left + LABEL / 2, top + SIDE / 2, row.label, rotation=90, ha="center"
                )
                for column, (panel, title) in enumerate(zip(row.panels, titles, strict=True)):
                    x = left + LABEL + column * (SIDE + GAP)
                    if panel:
                        self.page.text(x + SIDE / 2, top - TITLE / 2, title, ha="center")
                        self._panel(panel, position, x, top)
                top += SIDE + BELOW

    def _panel(self, panel: Panel, position: int, x: float, y: float) -> None:
        stored = self.images[panel.cell]
        image = stored.image(panel.show, panel.of, position, panel.view)
        if panel.show == "perturbation":
            image = 0.5 + config.image_grids().amplified * image
        image = np.clip(image, 0, 1)  # noise may leave [0, 1]
        axes = self.page.image(x, y, image)
        if self.enlarge:
            _enlarge(axes, image, self.block.patch)
        if predicted := captions.prediction(panel, stored, position):
            text, correct = predicted
            y += SIDE + BELOW / 2
            self.page.text(x + SIDE / 2, y, text, ha="center", color=COLOURS[correct])


def _size(grid: Grid, block: Block) -> tuple[float, float]:
    """Return width and height of a block."""
    columns = max(len(row.panels) for row in block.rows)
    rows = sum(SIDE + BELOW + (TITLE if any(titles) else 0) for titles in _titles(block.rows))
    return LABEL + columns * (SIDE + GAP), len(grid.spec.positions) * (HEADING + rows)


def _titles(rows: tuple[Row, ...]) -> list[list[str]]:
    """Return the titles of the panels by row; empty where the row above has the same titles."""
    above: dict[int, str] = {}
    shown = []
    for row in rows:
        titles = {k: captions.title(panel) for k, panel in enumerate(row.panels) if panel}
        if titles.items() <= above.items():
            titles = {}
        else:
            above = titles
        shown.append([titles.get(k, "") for k in range(len(row.panels))])
    return shown


def _enlarge(axes: Axes, image: Array, patch: Patch) -> None:
    """Frame a patch, and show it enlarged in the corner farthest from it."""
    eighth = len(image) / EIGHTHS
    row, column, side = (each * eighth for each in (patch.row, patch.column, patch.side))
    corner = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=FRAME, linewidth=1))
    middle = len(image) / 2
    left, lower = column + side / 2 < middle, row + side / 2 >= middle
    inset = axes.inset_axes((1 - INSET if left else 0, 1 - INSET if lower else 0, INSET, INSET))
    first, last = (slice(round(start), round(start + side)) for start in (row, column))
    inset.imshow(image[first, last])
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set(color=FRAME, linewidth=1)


def _wrapped(text: str, width: float, size: int, *, bold: bool = False) -> list[str]:
    """Wrap a text to a width in inches, by the average width of its letters."""
    letter = (0.62 if bold else 0.54) * size / 72
    return wrap(text, int(width / letter))
