"""Trials: a network that a job trains or attacks, on random images, as each candidate runs it.

Neither weights nor pixels change the time, so nothing is downloaded or read.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn

from atop.core.execution import Compute
from atop.core.values import Dict
from atop.experiment import config
from atop.experiment.cells import Cell
from atop.experiment.presets import Preset
from atop.pipeline import assemble
from atop.pipeline.execution.timing import best_of, seconds_of

IMAGES = 4
SLOW_S = 0.25
"""Seconds of a pass after which a trial has one image."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The network of a cell that decides: its purifier, or its classifier if it has none.

    Attributes:
        preset, cell: of the network.
        kind: train, with gradients of the weights; or attack, with gradients of the images.
    """

    preset: Preset
    cell: Cell
    kind: str

    @property
    def pixels(self) -> int:
        """Side length at which the network works."""
        return self.preset.working_pixels(self.cell)

    @property
    def network(self) -> tuple[str, Dict]:
        """The module that builds it, and all options that its time depends on."""
        cell = self.cell
        if cell.purifies:
            return cell.purifier, self.preset.purifier(cell.purifier, cell.dataset).options
        row, classes = config.classifier(cell.classifier), config.dataset(cell.dataset).classes
        return row.family, {**row.options, "classes": classes}

    def __str__(self) -> str:
        """Such as "train deepfill at 64 pixels, width 24"."""
        name, options = self.network
        parts = [
            f"{self.kind} {name} at {self.pixels} pixels",
            *(f"{key} {value}" for key, value in options.items()),
        ]
        return ", ".join(parts)

    def build(self) -> nn.Module:
        """The network with random weights."""
        if self.cell.purifies:
            return assemble.purifier(self.preset, self.cell.purifier, self.cell.dataset)
        return assemble.classifier(self.cell.dataset, self.cell.classifier)


class Trial:
    """A few images forward and backward through a network, in several executions.

    Args:
        subject: has the network.
        candidates: executions, the plainest first.
        device: of the job.
    """

    def __init__(
        self, subject: Subject, candidates: Sequence[Compute], device: torch.device
    ) -> None:
        self.subject, self.device = subject, device
        network = subject.build().to(device).train(subject.kind == "train")
        layouts = {candidate.channels_last for candidate in candidates}
        self.networks = {layout: deepcopy(network) for layout in layouts}
        for candidate in candidates:
            candidate.prepare(self.networks[candidate.channels_last])
        self.x = torch.rand(IMAGES, 3, subject.pixels, subject.pixels, device=device)
        if seconds_of(lambda: self.run(candidates[0]), device) > SLOW_S:
            self.x = self.x[:1]

    def seconds(self, candidate: Compute) -> float:
        """Seconds of a pass."""
        return best_of(lambda: self.run(candidate), self.device)

    def run(self, candidate: Compute) -> None:
        """Pass forward and backward once; nothing is compiled, which would take a minute."""
        network = self.networks[candidate.channels_last]
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        attacked = self.subject.kind == "attack" or not weights
        x = self.x.detach().requires_grad_(attacked)
        inputs = [x, torch.zeros_like(x[:, :1])] if self.subject.cell.purifies else [x]
        with candidate.arithmetic():
            total = candidate.run(network, *inputs).sum()
            torch.autograd.grad(total, [x] if attacked else weights, allow_unused=True)
