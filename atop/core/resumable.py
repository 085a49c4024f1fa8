"""State of a run that may be killed: saved now and then and when asked to stop, then read again."""

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
    """The state of a run, in a file.

    Args:
        path: of that file; never a declared output of a rule.
        identity: digest of everything that shapes the run; a state of another identity is ignored.

    Attributes:
        resumed: whether an earlier run left a state, be it one of other settings.
        content: what that run saved, on the CPU whatever device wrote it; empty if it is ignored.

    Raises:
        AtopError: the file is broken.
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
        """Note SIGTERM inside the block, so that it can end the step or batch that it is in."""
        self._saved = time.monotonic()
        before = signal.signal(signal.SIGTERM, lambda number, _: self._signals.append(number))
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def due(self) -> bool:
        """Whether to save now: every SAVE_EVERY_S, and when asked to stop."""
        return bool(self._signals) or time.monotonic() - self._saved > SAVE_EVERY_S

    def save(self, **content: Any) -> None:
        """Save what the run has so far; if asked to stop, end the process with exit code 143."""
        with writing(self.path) as temporary:
            torch.save({"identity": self.identity, **content}, temporary)
        self._saved = time.monotonic()
        if self._signals:
            raise SystemExit(143)

    def remove(self) -> None:
        """Leave nothing of it on disk, once the result is safe."""
        self.path.unlink(missing_ok=True)


class Images(State):
    """The images of a run, in a file beside the state: no memory has to hold them.

    Args:
        path: of the state.
        identity: likewise.
        shape: (N, 3, H, W).

    Attributes:
        images: float32 on the CPU, mapped to their file.
        done: batches that an earlier run saved.

    Raises:
        OSError: the disk has no room for them.
    """

    def __init__(self, path: Path, identity: str, *, shape: tuple[int, ...]) -> None:
        super().__init__(path, identity)
        self.file = path.with_suffix(".images")
        if not self.file.exists():
            self.content = {}
        self.done: int = self.content.get("done", 0)
        if not self.done:
            path.unlink(missing_ok=True)  # it must not vouch for the images of this run
            _make_room(self.file, 4 * int(np.prod(shape)))
        self._mapped = np.memmap(self.file, dtype=np.float32, mode="r+", shape=shape)
        self.images = torch.from_numpy(self._mapped)

    def save(self, **content: Any) -> None:
        """Save the images too."""
        self._mapped.flush()
        super().save(**content)

    def remove(self) -> None:
        """Leave nothing of it on disk, once the result is safe."""
        super().remove()
        self.file.unlink()


def _make_room(path: Path, size: int) -> None:
    """A file of zeros; writing to a mapped one would kill the process where the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
