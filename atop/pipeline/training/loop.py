"""The one training loop.

A run that was killed and started again ends bit-identical to one that was not: a step depends on
the trainer's state and the step's number alone, since batch order, augmentation, noise and masks
all come from `atop.core.randomness`.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from tqdm import tqdm

from atop.core.errors import AtopError
from atop.core.execution import Compute
from atop.core.progress import progress
from atop.core.resumable import State

Metrics = dict[str, torch.Tensor]
History = list[dict[str, Any]]
Sums = dict[str, tuple[torch.Tensor | float, int]]  # since the last row: totals and counts


class Trainer(Protocol):
    """A training, step by step."""

    batch: int
    steps: int
    compute: Compute

    def step(self, number: int) -> Metrics:
        """Train on batch `number`; return scalar tensors for the history."""

    def state_dict(self) -> dict[str, Any]:
        """The state of the training, as torch can save it."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state."""


def train(
    trainer: Trainer,
    *,
    state: State,
    title: str,
    watch: Callable[[], dict[str, float]] | None = None,
    points: int = 1,
) -> History:
    """Run a training to its end, from `state` if an earlier run left one.

    After SIGTERM it ends its step and saves it; the process then ends with exit code 143.

    Args:
        trainer: of the networks.
        state: of the run; the caller removes it once the result is saved.
        title: of the progress bar.
        watch: measures the networks without changing them.
        points: number of measurements, evenly over the steps, beside one before the first step.

    Returns:
        About 100 rows of metrics, each the mean over the steps since the row before, with its step;
        and among them rows of measurements, as `seen`.

    Raises:
        AtopError: there is nothing to train, or a metric is no longer finite.
    """
    if trainer.steps < 1:
        raise AtopError(
            f"{title}: not one whole batch of {trainer.batch}; lower it, or train longer"
        )
    if state.content:
        trainer.load_state_dict(state.content.pop("stage"))
    done: int = state.content.get("done", 0)
    history: History = state.content.get("history", [])
    sums: Sums = state.content.get("sums", {})
    every = max(1, trainer.steps // 100)
    watched = {trainer.steps * k // points for k in range(1, points + 1)} if watch else set()
    if watch and done == 0:
        history.append({"step": 0, "seen": watch()})
    with (
        state.running(),
        progress(
            title, trainer.steps * trainer.batch, unit="img", done=done * trainer.batch
        ) as bar,
    ):
        for number in range(done, trainer.steps):
            for name, value in trainer.step(number).items():
                total, count = sums.get(name, (0.0, 0))
                sums[name] = (total + value.detach(), count + 1)
            if (number + 1) % every == 0 or number + 1 == trainer.steps:
                history.append(_row(number + 1, sums, bar))
                sums = {}
            if watch and number + 1 in watched:
                history.append({"step": number + 1, "seen": watch()})
            bar.update(trainer.batch)
            if state.due():
                state.save(stage=trainer.state_dict(), done=number + 1, history=history, sums=sums)
    return history


def _row(step: int, sums: Sums, bar: "tqdm[Any]") -> dict[str, float]:
    row = {name: float(total) / count for name, (total, count) in sums.items()}
    bad = [name for name, value in row.items() if not math.isfinite(value)]
    if bad:
        raise AtopError(f"{bar.desc}: {bad[0]} is not finite at step {step}; lower lr or set clip")
    bar.set_postfix({name: f"{value:.3f}" for name, value in row.items()}, refresh=False)
    return {"step": step, **row}
