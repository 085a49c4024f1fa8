"""Picture grids: stored is what the defence computes, drawn is what is stored."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from safetensors.torch import load_file
from torch import nn

from atop import assemble, checkpoints, paths
from atop.__main__ import main
from atop.adversarial import make_adversarial
from atop.cells import Cell
from atop.data import embedded
from atop.data.fetch import fetch
from atop.errors import AtopError
from atop.evaluate import Evaluation
from atop.files import ROOT, read_json, sha256
from atop.pictures import drawing, grids, layout, stored, telling
from atop.pictures.making import make
from atop.randomness import Randomness

CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="none",
)  # fmt: skip
TRANSFORMS = ("rt1", "rt2", "rt3")
DMAE = replace(CELL, purifier="dmae", transform="tokens")
CPU = torch.device("cpu")
KEPT = 3
Change = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    """The smoke preset with its data, an adversarial set, and purifiers that nobody fine-tuned."""
    change("presets/smoke", {"evaluation": {"n": 8, "batch": 8}})
    change("pictures", {"pictures": KEPT})
    fetch("cifar10_slice")
    make_adversarial("smoke", CELL.bare, "fgsm", device=CPU)
    for cell in (*(replace(CELL, transform=one) for one in TRANSFORMS), DMAE):
        for finetune in ("none", "adversarial"):
            network = assemble.purifier("smoke", cell.purifier)
            checkpoints.load(network, embedded.FOLDER / f"{cell.purifier}.safetensors")
            checkpoints.save(paths.purifier("smoke", replace(cell, finetune=finetune)), network, {})
    return change


def made(cell: Cell) -> stored.Stored:
    return stored.read(make("smoke", cell, "fgsm", device=CPU))


@pytest.mark.parametrize("cell", [*(replace(CELL, transform=t) for t in TRANSFORMS), DMAE],
                         ids=lambda cell: cell.transform)  # fmt: skip
def test_what_is_stored_is_what_the_defence_computes(small: Change, cell: Cell) -> None:
    found = made(cell)
    split = assemble.evaluation_set("smoke", cell.dataset, KEPT)
    handed = (split.inputs(32), load_file(paths.adversarial("smoke", cell.bare, "fgsm"))["images"])
    defense, bare = (assemble.defense("smoke", one) for one in (cell, cell.bare))
    draw = Randomness(0, "evaluate", split.index)
    judge, told = Evaluation(defense, split, seed=0, batch=KEPT), found.account
    for kind, x in enumerate(one[:KEPT] for one in handed):
        arrays = {name: torch.from_numpy(one[kind]) for name, one in found.arrays.items()}
        assert torch.equal(arrays["picture"], x)
        assert torch.equal(arrays["purified"], defense.purify(x, draw))
        assert told["predictions"][kind] == judge.predictions(x, 1)[0]
        assert told["bare_predictions"][kind] == bare(x).argmax(1).tolist()
        views = defense.transform(nn.functional.interpolate(
            x, (arrays["noisy"].shape[-1],) * 2, mode="bilinear"
        ), draw)  # fmt: skip
        assert torch.equal(arrays["masked"], views.images)
        assert torch.equal(arrays["mask"], views.mask)
        assert torch.equal(arrays["noisy"][:, None] * (1 - views.mask), views.images)
        assert (arrays["noisy"].flatten(2) != 0).any(2).all()
    assert (told["indices"], told["labels"]) == (split.index.tolist(), split.labels.tolist())
    assert not np.array_equal(*found.arrays["picture"])


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_completed_pixels_are_those_that_were_missing(small: Change, transform: str) -> None:
    arrays = made(replace(CELL, transform=transform)).arrays
    missing = arrays["mask"] == 1
    assert 0.2 < missing.mean() < 0.3
    shape = np.broadcast_shapes(missing.shape, arrays["completed"].shape)
    missing = np.broadcast_to(missing, shape)
    assert (arrays["completed"][~missing] == 0).all()
    assert (arrays["completed"][missing] != 0).mean() > 0.9
    assert (arrays["masked"][missing] == 0).all()
    if transform == "rt3":
        assert arrays["completed"].shape[2] == 4
        assert np.array_equal(arrays["completed"].sum(axis=2), arrays["purified"])
        assert (missing.sum(axis=2) == 1).all()
    else:
        assert np.array_equal(arrays["purified"][missing[:, :, 0]], arrays["completed"][missing])


def test_noise_is_drawn_under_the_mask_too(small: Change) -> None:
    plain, noisy = (made(replace(CELL, transform=one)).arrays for one in ("rt1", "rt2"))
    added = noisy["noisy"] - plain["noisy"]
    missing = np.broadcast_to(noisy["mask"][:, :, 0] == 1, added.shape)
    assert (added[missing] != 0).mean() > 0.8
    assert 0.15 < added[missing].std() < 0.25  # sigma less what clipping takes


def test_the_account_names_what_made_it(small: Change) -> None:
    told = made(CELL).account
    adversarial = paths.adversarial("smoke", CELL.bare, "fgsm")
    assert told["adversarial_sha256"] == sha256(adversarial)
    assert told["provenance"]["checkpoints"]["purifier"] == sha256(paths.purifier("smoke", CELL))
    assert (told["cell"]["id"], told["budget"]["eps"]) == (CELL.id, "8/255")
    assert paths.pictures("smoke", CELL, "fgsm").stat().st_size > 1000


def test_a_second_run_stores_the_same(small: Change) -> None:
    first = made(CELL)
    torch.manual_seed(7)
    second = made(CELL)
    assert all(np.array_equal(first.arrays[name], second.arrays[name]) for name in stored.STAGES)


def store_all() -> None:
    for transform in TRANSFORMS:
        for finetune in ("none", "adversarial"):
            make("smoke", replace(CELL, transform=transform, finetune=finetune), "fgsm", device=CPU)


@pytest.fixture
def drawn(small: Change, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Figure]:
    """Draws a figure from stored pictures; the one that was saved."""
    store_all()
    kept: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (kept.append(self), save(self, *a, **k))
    )

    def run(name: str) -> Figure:
        drawing.draw(grids.grid(name, "smoke"), results=paths.RESULTS, out=Path("out"))
        return kept[-1]

    return run


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def images(figure: Figure) -> list[Any]:
    """Pictures from left to right and downwards, without enlarged patches."""
    return [axes.images[0].get_array() for axes in figure.axes]


def test_every_panel_shows_its_picture(drawn: Callable[[str], Figure]) -> None:
    figure = drawn("figure6")
    content = stored.read(paths.pictures("smoke", CELL, "fgsm"))
    arrays = content.arrays
    shown = iter(images(figure))
    for position in (0, 1):
        for kind in (0, 1):
            delta = arrays["picture"][1, position] - arrays["picture"][0, position]
            expected = [arrays["picture"][kind, position], 0.5 + 10 * delta]
            expected += [arrays["noisy"][kind, position], arrays["masked"][kind, position, 0]]
            expected += [arrays["purified"][kind, position]]
            for one in expected if kind else [expected[0], *expected[2:]]:
                assert np.allclose(next(shown), np.clip(np.moveaxis(one, 0, -1), 0, 1))
    assert next(shown, None) is None
    said = words(figure)
    for title in ("noisy", "masked, noisy", "purified", "perturbation ×10"):
        assert title in said
    told, names = content.account, telling.class_name
    for position in (0, 1):
        label = told["labels"][position]
        heading = f"CIFAR-10, test picture {told['indices'][position]}: {names('cifar10', label)}"
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


@pytest.mark.parametrize("name", grids.names())
def test_nothing_is_cut_off(drawn: Callable[[str], Figure], small: Change, name: str) -> None:
    long = "What enters the purifier and what leaves it, before and after AToP, of each dataset"
    small("pictures", {"figures": {name: {"title": long}}})
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
    grid = grids.grid(name, "smoke")
    first, second = grid.blocks
    found = {cell: stored.read(grid.file(cell)) for cell in second.cells}
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
    assert any(text.startswith("ImageNette, test picture ") for text in words(together))


def test_before_and_after_come_from_two_cells(
    drawn: Callable[[str], Figure], small: Change
) -> None:
    path = paths.purifier("smoke", replace(CELL, finetune="adversarial"))
    network = assemble.purifier("smoke", "deepfill")
    with torch.no_grad():
        for one in network.parameters():
            one.zero_()
    checkpoints.save(path, network, {})
    make("smoke", replace(CELL, finetune="adversarial"), "fgsm", device=CPU)
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


def test_drawing_works_from_the_files_alone(small: Change) -> None:
    store_all()
    for folder in ("purifiers", "adversarial"):
        (paths.RESULTS / "smoke" / folder).rename(f"moved-{folder}")
    code = (
        "import sys; from atop.__main__ import main\n"
        "assert main(['draw', '--figure', 'figure9', '--preset', 'smoke', '--out', 'o']) == 0\n"
        "assert not {'torch', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert plt.imread("o/figure9.png").shape[1] > 900
    assert Path("o/figure9.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in Path("o/figure9.svg").read_text()[:1000]


def test_what_is_missing_is_said(
    drawn: Callable[[str], Figure], capsys: pytest.CaptureFixture[str]
) -> None:
    told = " ".join(words(drawn("figure5")))
    assert "ImageNette is missing: preset smoke downloads nothing and lacks the dataset" in told
    account = json.loads(Path("out/figure5.json").read_text())
    assert len(account["missing"]) == 1
    path = paths.pictures("smoke", replace(CELL, transform="rt1"), "fgsm")
    path.rename("elsewhere.npz")
    assert main(["draw", "--figure", "figure5", "--preset", "smoke", "--out", "new"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("atop draw: error: figure5: nothing to show; ImageNette is missing")
    assert f"this makes them: `snakemake --cores all --resources gpu=1 -- {path}`" in line
    assert not Path("new").exists()


@pytest.mark.parametrize("broken", [b"", b"nonsense", None])
def test_a_broken_file_is_named(small: Change, broken: bytes | None) -> None:
    path = make("smoke", replace(CELL, transform="rt1"), "fgsm", device=CPU)
    path.write_bytes(path.read_bytes()[:-100] if broken is None else broken)
    with pytest.raises(AtopError, match=r"fgsm\.npz: not a file of pictures; delete it and run"):
        drawing.draw(grids.grid("figure5", "smoke"), results=paths.RESULTS, out=Path("out"))


def test_an_account_of_other_pictures_is_refused(small: Change) -> None:
    path = make("smoke", CELL, "fgsm", device=CPU)
    small("pictures", {"pictures": KEPT - 1})
    kept = path.read_bytes()
    make("smoke", CELL, "fgsm", device=CPU)
    path.write_bytes(kept)
    with pytest.raises(AtopError, match=r"fgsm\.npz: not the pictures of its account"):
        stored.read(path)


def test_the_sentence_for_who_cannot_see_it(drawn: Callable[[str], Figure]) -> None:
    drawn("figure8")
    told = read_json(Path("out/figure8.json"))
    content = stored.read(paths.pictures("smoke", replace(CELL, transform="rt3"), "fgsm")).account
    right = [
        sum(a == b for a, b in zip(one[:2], content["labels"][:2], strict=True))
        for one in content["predictions"]
    ]
    assert told["alt"] == (
        "Grid of clean and adversarial test pictures of CIFAR-10, 2 of each: the picture as handed "
        "in, its perturbation, the masked picture, the completed pixels, the purified picture; "
        f"after purification the classifier is right on {right[0]} of 2 clean ones and "
        f"{right[1]} of 2 adversarial ones."
    )
    assert told["title"].startswith("Figure 8: RT3")
    assert "Preset smoke. " in told["caption"]
    assert "CIFAR-10 here cifar10_slice, resnet_small" in told["caption"]
    assert "FGSM, Linf 8/255, on the bare classifier" in told["caption"]


def test_views_that_leave_the_range_are_cut_for_show_only(
    small: Change, caplog: pytest.LogCaptureFixture
) -> None:
    content = made(DMAE)
    image = content.image("noisy", "clean", 0, 0)
    assert image.min() < -0.1
    row = {"label": "", "of": "clean", "panels": [{"show": "noisy", "title": "noisy"}]}
    cell = {"purifier": "dmae", "init": "scratch", "transform": "tokens", "finetune": "none"}
    figure = {"title": "t", "cell": cell, "positions": [0], "rows": [row]}
    small("pictures", {"figures": {"figure10": figure}})
    drawing.draw(grids.grid("figure10", "smoke"), results=paths.RESULTS, out=Path("out"))
    grid = grids.grid("figure10", "smoke")
    page = layout.lay_out(grid, [grid.blocks[1]], {DMAE: content}, [])
    assert np.array_equal(images(page)[0], np.clip(image, 0, 1))
    assert not caplog.records  # matplotlib would cut too, and complain


def test_cells_take_stand_ins_and_the_users_words() -> None:
    smoke, paper = (grids.grid("figure9", preset, seed=3) for preset in ("smoke", "paper"))
    assert [block.lacks is None for block in smoke.blocks] == [False, True]
    assert [block.lacks for block in paper.blocks] == [None, None]
    assert smoke.blocks[1].instead == ("cifar10_slice", "resnet_small")
    assert len(smoke.files()) == 6
    assert len(paper.files()) == 12
    assert {cell.seed for cell in smoke.blocks[1].cells} == {3}
    first = paper.files()[0]
    name = "imagenette-resnet34-deepfill-places2-rt1-none-paper-s3"
    assert first == Path(f"results/paper/pictures/{name}/fgsm.npz")


DATA = {"dataset": "cifar10", "classifier": "resnet18"}
PATCH = {"row": 7, "column": 0, "side": 1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pictures": 1}, r"figures\.figure3\.positions: 1 pictures are kept; raise `pictures`"),
        ({"attack": "nonsense"}, "no attack 'nonsense'"),
        (
            {"datasets": [{"label": "Mine", "cell": DATA, "patch": {**PATCH, "side": 2}}]},
            "datasets: the patch of Mine ends outside of it",
        ),
        (
            {"figures": {"figure7": {"cell": {"transform": "rt2"}}}},
            r"figures\.figure7\.rows: no view 2; rt2 makes 1",
        ),
        ({"figures": {"figure5": {"cell": {"purifier": "mine"}}}}, "mine"),
    ],
)
def test_a_grid_that_cannot_be_made_is_refused(
    change: Change, changes: dict[str, Any], expected: str
) -> None:
    grids.check()
    change("pictures", changes)
    with pytest.raises(AtopError, match=expected):
        grids.check()


def test_classes_have_as_many_names_as_there_are() -> None:
    assert telling.class_name("cifar10_slice", 9) == "truck"
    assert telling.class_name("imagenette", 0) == "tench"
    assert telling.class_name("cifar100", 41) == "class 41"


def test_an_unknown_figure_names_the_known_ones() -> None:
    with pytest.raises(AtopError, match=r"pictures\.yaml: no 'figure4'; known are figure3, fig"):
        grids.grid("figure4", "smoke")
