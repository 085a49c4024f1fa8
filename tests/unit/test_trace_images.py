"""What is stored of an image is what the defence computes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.synthetic_images import CELL, CPU, DMAE, KEPT, TRANSFORMS, Change, prepare, store
from torch import nn

from atop.core.errors import AtopError
from atop.core.files import sha256
from atop.core.randomness import Randomness
from atop.experiment import paths, presets
from atop.experiment.cells import Cell
from atop.experiment.stages.evaluation import TraceImages
from atop.pipeline import assemble
from atop.pipeline.evaluation.evaluate import Evaluation
from atop.pipeline.evaluation.trace_images import trace
from atop.results import stored_images


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


@pytest.mark.parametrize("cell", [*(replace(CELL, transform=t) for t in TRANSFORMS), DMAE],
                         ids=lambda cell: cell.transform)  # fmt: skip
def test_what_is_stored_is_what_the_defence_computes(small: Change, cell: Cell) -> None:
    found = store(cell)
    split = assemble.evaluation_set(presets.get("smoke"), cell.dataset, KEPT)
    handed = (
        split.inputs(32),
        load_file(paths.adversarial(presets.get("smoke"), cell.bare, "fgsm"))["images"],
    )
    defense, bare = (assemble.defense(presets.get("smoke"), one) for one in (cell, cell.bare))
    draw = Randomness(0, "evaluate", split.index)
    judge = Evaluation(defense, split, seed=0, batch=KEPT, device=torch.device("cpu"))
    told = found.metadata
    for kind, x in enumerate(one[:KEPT] for one in handed):
        arrays = {name: torch.from_numpy(one[kind]) for name, one in found.arrays.items()}
        assert torch.equal(arrays["image"], x)
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
    assert not np.array_equal(*found.arrays["image"])


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_completed_pixels_are_those_that_were_missing(small: Change, transform: str) -> None:
    arrays = store(replace(CELL, transform=transform)).arrays
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
    plain, noisy = (store(replace(CELL, transform=one)).arrays for one in ("rt1", "rt2"))
    added = noisy["noisy"] - plain["noisy"]
    missing = np.broadcast_to(noisy["mask"][:, :, 0] == 1, added.shape)
    assert (added[missing] != 0).mean() > 0.8
    assert 0.15 < added[missing].std() < 0.25  # sigma less what clipping takes


def test_the_account_names_what_made_it(small: Change) -> None:
    told = store(CELL).metadata
    adversarial = paths.adversarial(presets.get("smoke"), CELL.bare, "fgsm")
    assert told["adversarial_sha256"] == sha256(adversarial)
    assert told["provenance"]["checkpoints"]["purifier"] == sha256(
        paths.purifier(presets.get("smoke"), CELL)
    )
    assert (told["cell"]["id"], told["budget"]["eps"]) == (CELL.id, "8/255")
    assert paths.images(presets.get("smoke"), CELL, "fgsm").stat().st_size > 1000


def test_a_second_run_stores_the_same(small: Change) -> None:
    first = store(CELL)
    torch.manual_seed(7)
    second = store(CELL)
    assert all(
        np.array_equal(first.arrays[name], second.arrays[name]) for name in stored_images.STAGES
    )


def test_metadata_of_other_images_is_refused(small: Change) -> None:
    def stage() -> TraceImages:
        return TraceImages(preset=presets.get("smoke"), cell=CELL, attack="fgsm")

    path = trace(stage(), CPU)
    kept = path.read_bytes()
    small("image_grids", {"images": KEPT - 1})
    trace(stage(), CPU)
    path.write_bytes(kept)
    with pytest.raises(AtopError, match=r"fgsm\.npz: does not fit its metadata"):
        stored_images.read(path)
