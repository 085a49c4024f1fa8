"""Test images at each step through a defence, recorded while it classifies them."""

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
from atop.experiment import paths
from atop.experiment.stages.evaluation import TraceImages
from atop.method.defense import Defense
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import checkpoint_hashes, load_adversarial
from atop.results.stored_images import STAGES


@FLOAT32.arithmetic()
def trace(stage: TraceImages, device: torch.device) -> Path:
    """Store the first test images, clean and adversarial, at each step through a cell's defence.

    The adversarial images are those stored of the cell's bare classifier. The draw is the first
    of an evaluation, so the first predictions of a record are about the same images.

    Returns:
        The .npz (atop/results/stored_images.py); its metadata lies beside it.
    """
    watch, preset, cell = Stopwatch(device), stage.preset, stage.cell
    attack, seed = preset.attack(stage.attack), preset.settings.seed
    split = assemble.evaluation_set(preset, cell.dataset, stage.n).to(device)
    clean = split.inputs(preset.pixels(attack, cell))
    inputs = (clean, load_adversarial(stage.source, split).to(device))
    defense = assemble.defense(preset, cell).to(device)
    bare = assemble.defense(preset, cell.bare).to(device)
    randomness = Randomness(seed, "evaluate", split.index)
    steps = [_steps(defense, x, randomness) for x in inputs]
    with torch.no_grad():
        predictions = [_classes(defense.classify(images["purified"])) for images in steps]
        bare_predictions = [_classes(bare(x, randomness)) for x in inputs]
    metadata: dict[str, Any] = {
        "schema": 1,
        "preset": preset.name,
        "cell": cell.as_dict(),
        "attack": stage.attack,
        "budget": attack.given(),
        "victim": cell.bare.id,
        "adversarial_sha256": sha256(stage.source),
        "indices": split.index.tolist(),
        "labels": split.labels.tolist(),
        "predictions": predictions,
        "bare_predictions": bare_predictions,
        "seed": seed,
        "sizes": preset.sizes(cell).given(),
        "transform": preset.transform(cell).options,
        "data_sha256": read_about(paths.dataset(cell.dataset))["test"]["sha256"],
    }
    hashes = checkpoint_hashes(preset, cell)
    provenance = watch.provenance(checkpoints=hashes, compute=FLOAT32.as_dict())
    write_json(stage.metadata, {**metadata, "provenance": provenance})
    with writing(stage.file) as temporary, temporary.open("wb") as file:
        arrays: Any = {
            name: torch.stack([images[name] for images in steps]).cpu() for name in STAGES
        }
        np.savez_compressed(file, **arrays)
    return stage.file


@torch.no_grad()
def _steps(defense: Defense, x: Tensor, randomness: Randomness) -> dict[str, Tensor]:
    """All images between x (N, 3, S, S) and the classifier; shapes as in STAGES."""
    with _watched(defense.purifier) as seen:
        purified = defense.purify(x, randomness)
    masked, mask, output = (images.reshape(len(x), -1, *images.shape[1:]) for images in seen)
    noisy = _noisy(defense, resize(x, defense.sizes.purifier), masked, mask, randomness)
    return {
        "image": x,
        "noisy": noisy,
        "masked": masked,
        "mask": mask,
        "completed": output * mask,
        "purified": purified,
    }


@contextmanager
def _watched(purifier: nn.Module) -> Iterator[list[Tensor]]:
    """Record inputs and outputs of a purifier: masked views, masks, completed images."""
    seen: list[Tensor] = []
    handle = purifier.register_forward_hook(
        lambda _, inputs, output: seen.extend((*inputs, output))
    )
    try:
        yield seen
    finally:
        handle.remove()


def _noisy(
    defense: Defense, x: Tensor, masked: Tensor, mask: Tensor, randomness: Randomness
) -> Tensor:
    """The corrupted image (N, 3, P, P) before it was masked."""
    transform = defense.transform
    if is_dataclass(transform) and hasattr(transform, "missing_rate"):
        unmasked = replace(transform, missing_rate=0.0)
        return unmasked(x, randomness).images[:, 0]
    # Complementary masks: each pixel from the first view that keeps it.
    return masked.take_along_dim(mask.argmin(dim=1, keepdim=True), dim=1)[:, 0]


def _classes(logits: Tensor) -> list[int]:
    return logits.argmax(1).tolist()
