"""What is drawn is what is stored: each image in its place, nothing cut off."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from support.synthetic_images import CELL, DMAE, Change, prepare, store, store_all

from atop.core import checkpoints
from atop.experiment import image_grids, paths, presets
from atop.pipeline import assemble
from atop.reporting.image_grids import captions, drawing, layout
from atop.results import stored_images


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


@pytest.fixture
def drawn(small: Change, saved: list[Figure]) -> Callable[[str], Figure]:
    """Draws a figure from stored images; the one that was saved."""
    store_all()

    def run(name: str) -> Figure:
        drawing.draw(
            image_grids.grid(name, presets.get("smoke")), results=paths.RESULTS, out=Path("out")
        )
        return saved[-1]

    return run


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def images(figure: Figure) -> list[Any]:
    """Images from left to right and downwards, without enlarged patches."""
    return [axes.images[0].get_array() for axes in figure.axes]


def test_every_panel_shows_its_image(drawn: Callable[[str], Figure]) -> None:
    figure = drawn("figure6")
    content = stored_images.read(paths.images(presets.get("smoke"), CELL, "fgsm"))
    arrays = content.arrays
    shown = iter(images(figure))
    for position in (0, 1):
        for kind in (0, 1):
            delta = arrays["image"][1, position] - arrays["image"][0, position]
            expected = [arrays["image"][kind, position], 0.5 + 10 * delta]
            expected += [arrays["noisy"][kind, position], arrays["masked"][kind, position, 0]]
            expected += [arrays["purified"][kind, position]]
            for one in expected if kind else [expected[0], *expected[2:]]:
                assert np.allclose(next(shown), np.clip(np.moveaxis(one, 0, -1), 0, 1))
    assert next(shown, None) is None
    said = words(figure)
    for title in ("noisy", "masked, noisy", "purified", "perturbation ×10"):
        assert title in said
    told, names = content.metadata, captions.class_name
    for position in (0, 1):
        label = told["labels"][position]
        heading = f"CIFAR-10, test image {told['indices'][position]}: {names('cifar10', label)}"
        assert heading in said
    marks = [text.split() for text in said if text.endswith(("✓", "✗"))]
    answers = [
        told[key][kind][position]
        for position in (0, 1) for kind in (0, 1) for key in ("bare_predictions", "predictions")
    ]  # fmt: skip
    right = ["✓" if answer == told["labels"][k // 4] else "✗" for k, answer in enumerate(answers)]
    assert marks == [[names("cifar10", a), mark] for a, mark in zip(answers, right, strict=True)]


def test_the_patch_is_framed_and_enlarged(drawn: Callable[[str], Figure]) -> None:
    axes = drawn("figure5").axes[0]
    (frame,) = axes.patches
    (inset,) = axes.child_axes
    assert frame.get_bbox().bounds == (7.5, 11.5, 8, 8)  # 32 pixels, an eighth is four
    assert np.array_equal(inset.images[0].get_array(), axes.images[0].get_array()[12:20, 8:16])
    assert frame.get_edgecolor() == inset.spines["left"].get_edgecolor()
    edges = inset.get_position(original=True)
    assert edges.width > 1.5 * 8 / 32 * axes.get_position().width


def test_what_is_missing_is_said(drawn: Callable[[str], Figure]) -> None:
    told = " ".join(words(drawn("figure5")))
    assert "ImageNette is missing: preset smoke downloads nothing and lacks the dataset" in told


@pytest.mark.parametrize("name", image_grids.names())
def test_nothing_is_cut_off(drawn: Callable[[str], Figure], small: Change, name: str) -> None:
    long = "What enters the purifier and what leaves it, before and after AToP, of each dataset"
    small("image_grids", {"figures": {name: {"title": long}}})
    figure = drawn(name)
    page, renderer = figure.bbox, FigureCanvasAgg(figure).get_renderer()
    for text in figure.texts:
        box = text.get_window_extent(renderer)
        assert page.x0 <= box.x0, text
        assert page.y0 <= box.y0, text
        assert box.x1 <= page.x1, text
        assert box.y1 <= page.y1, text


@pytest.mark.parametrize(("name", "across"), [("figure3", True), ("figure6", False)])
def test_two_datasets_stand_beside_or_below_each_other(
    drawn: Callable[[str], Figure], name: str, across: bool
) -> None:
    grid = image_grids.grid(name, presets.get("smoke"))
    first, second = grid.blocks
    found = {cell: stored_images.read(grid.file(cell)) for cell in second.cells}
    pairs = zip(first.cells, second.cells, strict=True)
    both = found | {one: found[other] for one, other in pairs}
    alone, together = (
        layout.lay_out(grid, blocks, both, []) for blocks in ([second], [first, second])
    )
    half = len(images(together)) // 2
    assert all(map(np.array_equal, images(together)[:half], images(alone)))
    assert all(map(np.array_equal, images(together)[half:], images(alone)))
    one, other = (axes.get_position() for axes in (together.axes[0], together.axes[half]))
    assert (one.x1 < other.x0, one.y0 > other.y1) == (across, not across)
    wider, higher = together.get_size_inches() / alone.get_size_inches()
    assert (wider > 1.9, higher > 1.8) == (across, not across)
    assert any(text.startswith("ImageNette, test image ") for text in words(together))


def test_before_and_after_come_from_two_cells(
    drawn: Callable[[str], Figure], small: Change
) -> None:
    path = paths.purifier(presets.get("smoke"), replace(CELL, finetune="adversarial"))
    network = assemble.purifier(presets.get("smoke"), "deepfill")
    with torch.no_grad():
        for one in network.parameters():
            one.zero_()
    checkpoints.save(path, network, {})
    store(replace(CELL, finetune="adversarial"))
    shown = images(drawn("figure3"))
    assert len(shown) == 2 * (4 + 3 + 4 + 4)
    before, after = shown[2], shown[5]
    assert before.std() > 0.05
    assert after.std() < 1e-6


def test_rt3_shows_each_view_and_what_it_completed(drawn: Callable[[str], Figure]) -> None:
    shown = images(drawn("figure7"))
    _, noisy, whole = (shown.pop(place) for place in (0, 2, 6))  # the first of each row but one
    masked, completed = shown[::2], shown[1::2]
    assert len(masked) == len(completed) == 4
    assert np.allclose(sum(masked) / 3, noisy)
    assert np.allclose(sum(completed), whole)
    for before, after in zip(masked, completed, strict=True):
        assert after.any()
        assert not (before * after).any()


def test_views_that_leave_the_range_are_cut_for_show_only(
    small: Change, caplog: pytest.LogCaptureFixture
) -> None:
    content = store(DMAE)
    image = content.image("noisy", "clean", 0, 0)
    assert image.min() < -0.1
    row = {"label": "", "of": "clean", "panels": [{"show": "noisy", "title": "noisy"}]}
    cell = {"purifier": "dmae", "init": "scratch", "transform": "tokens", "finetune": "none"}
    figure = {"title": "t", "cell": cell, "positions": [0], "rows": [row]}
    small("image_grids", {"figures": {"figure10": figure}})
    drawing.draw(
        image_grids.grid("figure10", presets.get("smoke")), results=paths.RESULTS, out=Path("out")
    )
    grid = image_grids.grid("figure10", presets.get("smoke"))
    page = layout.lay_out(grid, [grid.blocks[1]], {DMAE: content}, [])
    assert np.array_equal(images(page)[0], np.clip(image, 0, 1))
    assert not caplog.records  # matplotlib would cut too, and complain
