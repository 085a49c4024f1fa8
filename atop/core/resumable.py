"""State of a run on disk: saved every minute and on SIGTERM, read when the run starts again."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from atop.core import checkpoints
from atop.core.files import writing

SAVE_EVERY_S = float(os.environ.get("ATOP_SAVE_EVERY_S", "60"))
"""Seconds between saves of the state of a run."""


class State:
    """State of a run in a file.

    Args:
        path: the file; never a declared output of a rule.
        identity: digest of all settings of the run; a state of another identity is ignored.

    Attributes:
        resumed: an earlier run left a state, perhaps of other settings.
        content: saved by that run, on the CPU; empty if there is none or it is ignored.

    Raises:
        AtopError: the file is damaged.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        self.resumed = path.exists()
        self.content: dict[str, Any] = {}
        self._signals: list[int] = []
        if self.resumed:
            content = checkpoints.read(path)
            if content.get("identity") == identity:
                self.content = content
            else:
                tqdm.write(f"{path}: left by a run with other settings; starting afresh")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Note SIGTERM inside the block, so that the current step or batch can finish."""
        self._saved = time.monotonic()
        before = signal.signal(signal.SIGTERM, lambda number, _: self._signals.append(number))
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def due(self) -> bool:
        """Return true if it is time to save: every SAVE_EVERY_S, and after SIGTERM."""
        return bool(self._signals) or time.monotonic() - self._saved > SAVE_EVERY_S

    def save(self, **content: Any) -> None:
        """Save the state; after SIGTERM, end the process with exit code 143."""
        with writing(self.path) as temporary:
            torch.save({"identity": self.identity, **content}, temporary)
        self._saved = time.monotonic()
        if self._signals:
            raise SystemExit(143)

    def remove(self) -> None:
        """Delete the file, once the result is written."""
        self.path.unlink(missing_ok=True)


class Images(State):
    """State of a run with images, which are in a second file instead of in memory.

    Args:
        path, identity: of the state.
        shape: (N, 3, H, W).

    Attributes:
        images: float32 on the CPU, mapped to the file.
        done: number of batches that an earlier run saved.

    Raises:
        OSError: the disk is too full for the images.
    """

    def __init__(self, path: Path, identity: str, *, shape: tuple[int, ...]) -> None:
        super().__init__(path, identity)
        self.file = path.with_suffix(".images")
        if not self.file.exists():
            self.content = {}
        self.done: int = self.content.get("done", 0)
        if not self.done:
            path.unlink(missing_ok=True)  # it does not belong to the images of this run
            _allocate(self.file, 4 * int(np.prod(shape)))
        self._mapped = np.memmap(self.file, dtype=np.float32, mode="r+", shape=shape)
        self.images = torch.from_numpy(self._mapped)

    def save(self, **content: Any) -> None:
        """Save images and state."""
        self._mapped.flush()
        super().save(**content)

    def remove(self) -> None:
        """Delete both files, once the result is written."""
        super().remove()
        self.file.unlink()


def _allocate(path: Path, size: int) -> None:
    """Write a file of zeros: on a full disk, writing to a mapped file would kill the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
