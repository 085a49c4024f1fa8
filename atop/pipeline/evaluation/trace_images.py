"""Test pictures on their way through a defence, caught while it judges them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from atop.core.execution import FLOAT32
from atop.core.files import sha256, write_json, writing
from atop.core.provenance import Stopwatch
from atop.core.randomness import Randomness
from atop.core.resizing import resize
from atop.data.cache import read_about
from atop.experiment import config, image_grids, paths
from atop.experiment.cells import Cell
from atop.method.defense import Defense
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import checkpoint_hashes, load_adversarial
from atop.results.stored_images import STAGES


@FLOAT32.arithmetic()
def make(preset: str, cell: Cell, attack: str, *, device: torch.device) -> Path:
    """Store what a cell's defence makes of the first test pictures, clean and under an attack.

    The adversarial pictures are those stored of the cell's bare classifier. The draw is the first
    of an evaluation, so that what is stored is what a record's first predictions are about.

    Returns:
        The .npz (atop/results/stored_images.py); its account lies beside it.
    """
    watch = Stopwatch(device)
    chosen, budget = config.preset(preset), config.attack(attack, preset)
    n = image_grids.pictures(attack, preset, cell.dataset)
    split = assemble.evaluation_set(preset, cell.dataset, n).to(device)
    source = paths.adversarial(preset, cell.bare, attack)
    clean = split.inputs(config.pixels(budget, preset, cell))
    handed = (clean, load_adversarial(source, split).to(device))
    defense = assemble.defense(preset, cell).to(device)
    bare = assemble.defense(preset, cell.bare).to(device)
    randomness = Randomness(chosen.seed, "evaluate", split.index)
    found = [_steps(defense, x, randomness) for x in handed]
    with torch.no_grad():
        told = [_classes(defense.classify(one["purified"])) for one in found]
        bare_told = [_classes(bare(x, randomness)) for x in handed]
    account: dict[str, Any] = {
        "schema": 1,
        "preset": preset,
        "cell": cell.as_dict(),
        "attack": attack,
        "budget": budget,
        "victim": cell.bare.id,
        "adversarial_sha256": sha256(source),
        "indices": split.index.tolist(),
        "labels": split.labels.tolist(),
        "predictions": told,
        "bare_predictions": bare_told,
        "seed": chosen.seed,
        "sizes": config.sizes(preset, cell),
        "transform": config.transform_of(preset, cell)[1],
        "data_sha256": read_about(paths.dataset(cell.dataset))["test"]["sha256"],
    }
    out = paths.pictures(preset, cell, attack)
    hashes = checkpoint_hashes(preset, cell)
    provenance = watch.provenance(checkpoints=hashes, compute=FLOAT32.as_dict())
    write_json(out.with_suffix(".json"), {**account, "provenance": provenance})
    with writing(out) as temporary, temporary.open("wb") as file:
        arrays: Any = {name: torch.stack([one[name] for one in found]).cpu() for name in STAGES}
        np.savez_compressed(file, **arrays)
    return out


@torch.no_grad()
def _steps(defense: Defense, x: Tensor, randomness: Randomness) -> dict[str, Tensor]:
    """All pictures between x (N, 3, S, S) and the one that is classified; shapes as in STAGES."""
    with _watched(defense.purifier) as seen:
        purified = defense.purify(x, randomness)
    masked, mask, made = (one.reshape(len(x), -1, *one.shape[1:]) for one in seen)
    noisy = _noisy(defense, resize(x, defense.sizes.purifier), masked, mask, randomness)
    return {
        "picture": x,
        "noisy": noisy,
        "masked": masked,
        "mask": mask,
        "completed": made * mask,
        "purified": purified,
    }


@contextmanager
def _watched(purifier: nn.Module) -> Iterator[list[Tensor]]:
    """What goes into a purifier and what comes out: masked views, masks, completed pictures."""
    seen: list[Tensor] = []
    handle = purifier.register_forward_hook(lambda _, given, made: seen.extend((*given, made)))
    try:
        yield seen
    finally:
        handle.remove()


def _noisy(
    defense: Defense, x: Tensor, masked: Tensor, mask: Tensor, randomness: Randomness
) -> Tensor:
    """The corrupted picture (N, 3, P, P) before any of it was masked."""
    transform = defense.transform
    if is_dataclass(transform) and hasattr(transform, "missing_rate"):
        unmasked = replace(transform, missing_rate=0.0)
        return unmasked(x, randomness).images[:, 0]
    # Complementary masks: each pixel from the first view that keeps it.
    return masked.take_along_dim(mask.argmin(dim=1, keepdim=True), dim=1)[:, 0]


def _classes(logits: Tensor) -> list[int]:
    return logits.argmax(1).tolist()
