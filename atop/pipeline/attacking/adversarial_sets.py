"""Adversarial sets: an attack on a cell, a batch at a time, for every evaluation."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.files import sha256, write_json, writing
from atop.core.progress import progress
from atop.core.provenance import Stopwatch
from atop.core.resumable import Images
from atop.data.cache import read_about
from atop.data.dataset import Inputs, Split
from atop.experiment import config, paths
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.stages.attack import Attack
from atop.pipeline import assemble
from atop.pipeline.attacking.runner import AttackRunner


def make_adversarial(stage: Attack, device: torch.device) -> Path:
    """Attack a cell on the preset's test images; store them as float32 with metadata.

    One batch at a time is on the device; all images are in a file only. A run that was killed goes
    on after the last batch that it saved. After SIGTERM it ends its batch and saves it; the process
    then ends with exit code 143.
    """
    watch, preset, target, out = Stopwatch(device), stage.preset, stage.cell, stage.file
    runner = AttackRunner(stage, device)
    split = assemble.evaluation_set(preset, target.dataset, stage.n)
    x = Inputs(split, preset.pixels(stage.spec, target), device)
    start = _start(stage, x)
    labels, indices = split.labels.to(device), split.index.to(device)
    remaining = _remaining(runner, start, labels, indices)
    metadata: dict[str, Any] = {
        "victim": target.as_dict(),
        "attack": stage.attack,
        "budget": stage.spec.given(),
        "fingerprint": stage.fingerprint,
        "after_sha256": sha256(stage.start) if stage.start else None,
        "attacked": int(remaining.sum()),
    }
    hashes, compute = checkpoint_hashes(preset, target), runner.compute.as_dict()
    data = read_about(paths.dataset(target.dataset))["test"]["sha256"]
    identity = config.digest([metadata, runner.batch, compute, hashes, data, split.index.tolist()])
    state = Images(paths.state(out), identity, shape=(stage.n, 3, x.size, x.size))
    metadata["resumed"] = state.resumed  # a resumed run counts the costs since then only
    if not state.done:
        for where in torch.split((~remaining).nonzero()[:, 0], runner.batch):
            state.images[where] = start[where].cpu()
    batches = [part for part in torch.split(remaining.nonzero()[:, 0], runner.batch) if len(part)]
    title = f"attack {stage.attack} on {target.id}"
    with state.running(), progress(title, metadata["attacked"], unit="img") as bar:
        for done, where in enumerate(batches[state.done :], state.done + 1):
            here = where.to(device)
            images = runner.run(x[where], start[where].to(device), labels[here], indices[here])
            state.images[where] = images.cpu()
            bar.update(len(where))
            if state.due():
                state.save(done=done)
    if batches:
        first, here = batches[0], batches[0].to(device)
        metadata["flags"] = runner.flags(x[first], labels[here], indices[here])
    metadata["classified"] = runner.target.image_count + runner.judged.image_count
    provenance = watch.provenance(checkpoints=hashes, compute=runner.compute.provenance())
    write_json(stage.metadata, {**metadata, "provenance": provenance})
    with writing(out) as temporary:
        save_file({"images": state.images, "index": split.index}, temporary)
    state.remove()
    return out


def _start(stage: Attack, clean: Inputs) -> Inputs | Tensor:
    """The images that an attack goes on from."""
    if stage.start is None:
        return clean
    images = load_adversarial(stage.start, clean.split)
    if images.shape[1:] != (3, clean.size, clean.size):
        sizes = "`pixels` of the two attacks must agree"
        raise AtopError(f"{stage.start}: made at another size; {sizes}")
    return images


def _remaining(runner: AttackRunner, start: Inputs | Tensor, y: Tensor, index: Tensor) -> Tensor:
    """(N,) on the CPU: which examples are attacked, asked a batch at a time."""
    if runner.spec.after is None:
        return torch.ones(len(y), dtype=torch.bool)
    parts = torch.split(torch.arange(len(y)), runner.batch)
    batches = [runner.remaining(start[p].to(y.device), y[p], index[p]) for p in parts]
    return torch.cat(batches).cpu()


def load_adversarial(path: Path, split: Split) -> Tensor:
    """The stored images of a split's examples, (N, 3, H, W).

    Raises:
        AtopError: not an adversarial set, or made from other examples; it may hold more of them.
    """
    tensors = checkpoints.read(path)
    if tensors.keys() != {"images", "index"}:
        raise AtopError(f"{path}: not an adversarial set; delete it and run again")
    if not torch.equal(tensors["index"][: len(split)], split.index.cpu()):
        raise AtopError(f"{path}: made from other test images; delete it and run again")
    return tensors["images"][: len(split)]  # type: ignore[no-any-return]


def checkpoint_hashes(preset: Preset, cell: Cell) -> dict[str, str]:
    """SHA-256 of the weights of a cell's networks."""
    classifiers = paths.classifier_of(preset, cell)
    files = {f"classifier{number or ''}": path for number, path in enumerate(classifiers)}
    if cell.purifies:
        files["purifier"] = paths.purifier(preset, cell)
    return {name: sha256(path) for name, path in files.items()}
