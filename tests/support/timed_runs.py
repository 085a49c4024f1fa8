"""Timed runs of a small queue: three rows of Table 7, in seconds."""

from collections.abc import Callable
from typing import Any

from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.operations.cost import machines
from atop.operations.timed_run.queue import Queue

Change = Callable[[str, dict[str, Any]], None]
Lines = Callable[..., list[str]]
BARE = Cell(dataset="cifar10_slice", classifier="resnet_small")


def cell(transform: str, finetune: str) -> Cell:
    """The cell of DeepFill under a transform."""
    return Cell(
        dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
        transform=transform, finetune=finetune,
    )  # fmt: skip


NONE, ATOP = cell("rt2", "none"), cell("rt2", "adversarial")
ROWS = ["undefended", "rt2-none", "rt2-atop"]
LEFT_OUT = ["pgd-10", "pgd-20", "pgd-1000", "cw-100"]


def prepare(change: Change) -> None:
    """Eight images, one attack, trainings of a few steps, three rows of Table 7."""
    stages = {"l_org": {"images": 16, "batch": 4}, "atop": {"images": 12, "batch": 4}}
    stages["atop"]["overrides"] = {"rt1": ..., "rt3": ...}  # type: ignore[assignment]
    suites = {"table7": {"leave_out": LEFT_OUT}}
    evaluation = {"n": 8, "batch": 2}
    change(
        "presets/smoke",
        {"evaluation": evaluation, "stages": stages, "suites": suites, "curves": ...},
    )
    change("queue", {"queue": [{"table": "table7", "rows": ROWS}]})


def queue(preset: str = "smoke") -> Queue:
    """The queue of a machine with one thread."""
    return Queue(presets.get(preset), machines.cpu(1), None)


def done(lines: list[str]) -> list[str]:
    """The tasks that were done, in order."""
    return [line.partition(" s  ")[2] for line in lines if line.startswith("done ")]


COMMAND: dict[str, Any] = {
    "command": ["python"], "makes": "results/x", "minutes": 1, "preset": "smoke", "device": "cpu",
}  # fmt: skip
"""A command as it stands in the queue."""
