"""What lies beside a drawn grid, what it says, and what it does without some of its files."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from support.synthetic_images import CELL, Change, prepare, store, store_all

from atop.__main__ import main
from atop.core.errors import AtopError
from atop.core.files import ROOT, read_json, write_json
from atop.experiment import image_grids, paths, presets
from atop.reporting.image_grids import captions, drawing


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


def stored(transform: str) -> Path:
    """The file of stored images of a purifier that nobody fine-tuned."""
    cell = replace(CELL, transform=transform)
    store(cell)
    return paths.images(presets.get("smoke"), cell, "fgsm")


def draw(name: str) -> dict[str, Any]:
    """What a page says about a drawn figure."""
    drawing.draw(image_grids.grid(name, presets.get("smoke")), results=paths.RESULTS, out=Path())
    return read_json(Path(f"{name}.json"))


@pytest.mark.slow
def test_what_is_missing_is_said_and_what_makes_it(
    small: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored("rt1")
    (missing,) = draw("figure5")["missing"]
    assert missing.startswith("ImageNette is missing: preset smoke downloads nothing and lacks")
    path.rename("elsewhere.npz")
    assert main(["draw", "--figure", "figure5", "--preset", "smoke", "--out", "new"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("atop draw: error: figure5: nothing to show; ImageNette is missing")
    assert f"this command makes them: `snakemake --cores all -- {path}`" in line
    assert not Path("new").exists()


@pytest.mark.parametrize("broken", [b"", b"nonsense", None])
def test_a_broken_file_is_named(small: Change, broken: bytes | None) -> None:
    path = stored("rt1")
    path.write_bytes(path.read_bytes()[:-100] if broken is None else broken)
    with pytest.raises(AtopError, match=r"fgsm\.npz: not a file of images; delete it and run"):
        draw("figure5")


@pytest.mark.slow
def test_the_sentence_for_who_cannot_see_it(small: Change) -> None:
    account = stored("rt3").with_suffix(".json")
    content = read_json(account)
    first, second, *_ = content["labels"]
    others = content["predictions"][0][2:]
    wrong = (first + 1) % 10, (second + 1) % 10
    content["predictions"] = [[first, wrong[1], *others], [*wrong, *others]]
    write_json(account, content)
    told = draw("figure8")
    assert told["alt"] == (
        "Grid of clean and adversarial test images of CIFAR-10, 2 of each: the input image, its "
        "perturbation, the masked image, the completed pixels, the purified image; after "
        "purification the classifier is correct on 1 of 2 clean images and 0 of 2 adversarial "
        "images."
    )
    assert told["title"].startswith("Figure 8: RT3")
    assert "Preset smoke. " in told["caption"]
    assert "CIFAR-10 here cifar10_slice, resnet_small" in told["caption"]
    assert "FGSM, Linf 8/255, on the bare classifier" in told["caption"]


def test_classes_have_as_many_names_as_there_are() -> None:
    assert captions.class_name("cifar10_slice", 9) == "truck"
    assert captions.class_name("imagenette", 0) == "tench"
    assert captions.class_name("cifar100", 41) == "class 41"


@pytest.mark.slow
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
