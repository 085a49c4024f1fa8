"""The one training loop.

A run that was killed and started again ends bit-identical to one that was not. That holds because a
stage's step is a function of its state and of the step's number alone: batch order, augmentation,
noise and masks all come from `atop.core.randomness`.
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


class Stage(Protocol):
    """Something that trains step by step."""

    batch: int
    steps: int
    compute: Compute

    def step(self, number: int) -> Metrics:
        """Train on batch `number`; return scalar tensors to be logged."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes from step to step, as torch can save it."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""


def train(
    stage: Stage,
    *,
    state: State,
    title: str,
    watch: Callable[[], dict[str, float]] | None = None,
    points: int = 1,
) -> History:
    """Run a stage to its end, resuming from `state` if an earlier run left one.

    SIGTERM lets it end its step and save it; the process then ends with exit code 143.

    Args:
        stage: what to train; it says how many steps.
        state: of the run; the caller removes it once the result is safe.
        title: what the progress bar is called.
        watch: measures what the stage has made so far, without changing it.
        points: how often it does, evenly over the steps, after it did before the first.

    Returns:
        About 100 rows of metrics, each the mean over the steps since the row before, with its step;
        and among them rows of what was `seen` by `watch` after a step.

    Raises:
        AtopError: there is nothing to train, or a metric is no longer finite.
    """
    if stage.steps < 1:
        raise AtopError(f"{title}: not one whole batch of {stage.batch}; lower it, or train longer")
    if state.content:
        stage.load_state_dict(state.content.pop("stage"))
    done: int = state.content.get("done", 0)
    history: History = state.content.get("history", [])
    sums: Sums = state.content.get("sums", {})
    every = max(1, stage.steps // 100)
    watched = {stage.steps * k // points for k in range(1, points + 1)} if watch else set()
    if watch and done == 0:
        history.append({"step": 0, "seen": watch()})
    with (
        state.running(),
        progress(title, stage.steps * stage.batch, unit="img", done=done * stage.batch) as bar,
    ):
        for number in range(done, stage.steps):
            for name, value in stage.step(number).items():
                total, count = sums.get(name, (0.0, 0))
                sums[name] = (total + value.detach(), count + 1)
            if (number + 1) % every == 0 or number + 1 == stage.steps:
                history.append(_row(number + 1, sums, bar))
                sums = {}
            if watch and number + 1 in watched:
                history.append({"step": number + 1, "seen": watch()})
            bar.update(stage.batch)
            if state.due():
                state.save(stage=stage.state_dict(), done=number + 1, history=history, sums=sums)
    return history


def _row(step: int, sums: Sums, bar: "tqdm[Any]") -> dict[str, float]:
    row = {name: float(total) / count for name, (total, count) in sums.items()}
    bad = [name for name, value in row.items() if not math.isfinite(value)]
    if bad:
        raise AtopError(f"{bar.desc}: {bad[0]} is not finite at step {step}; lower lr or set clip")
    bar.set_postfix({name: f"{value:.3f}" for name, value in row.items()}, refresh=False)
    return {"step": step, **row}
