"""Execution of a cell's networks: as the preset says, or the fastest that it allows."""

import gc
from dataclasses import replace

import torch

from atop.core.execution import FLOAT32, Compute
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.experiment.targets import is_external
from atop.pipeline.execution import choices
from atop.pipeline.execution.timing import measure, precisions
from atop.pipeline.execution.trial import Subject, Trial


def compute(preset: Preset, kind: str, cell: Cell, device: torch.device) -> Compute:
    """Execution of a cell's networks in training (`train`) or under attack (`attack`).

    Where the preset says `auto`, the first job on a device takes seconds to measure.
    """
    if is_external(cell):  # nobody measured what another number format does to its gradients
        return FLOAT32
    plainest, *others = (Compute(**each) for each in preset.execution(kind).allowed)
    known = {plainest.precision, *precisions(device)}
    candidates = [plainest, *(each for each in others if each.precision in known)]
    if len(candidates) == 1:
        return plainest
    subject = Subject(preset=preset, cell=cell, kind=kind)
    settings = [kind, subject.pixels, *subject.network, [each.as_dict() for each in candidates]]
    row = choices.choice(
        str(subject), settings, device, lambda: _times(subject, candidates, device)
    )
    return replace(
        plainest, precision=row.precision, channels_last=row.channels_last, timings=row.ms
    )


def _times(
    subject: Subject, candidates: list[Compute], device: torch.device
) -> dict[Compute, float]:
    """Seconds of the candidates; the generators of the job are left as they are."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng([device] if cuda else []):
        trial = Trial(subject, candidates, device)
        times = measure(candidates, trial.seconds)
    del trial
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()
    return times
