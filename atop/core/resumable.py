"""The images of a run that may be killed, in a file: no memory has to hold them."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atop.core import checkpoints
from atop.core.files import writing


class Unfinished:
    """The images of a run, in a file of their own, and how many of its batches are among them.

    Args:
        state: where that number is saved; the images lie beside it.
        identity: digest of what shapes the run; a state of another identity is ignored.
        shape: (N, 3, H, W).

    Attributes:
        images: float32 on the CPU, mapped to the file.
        done: batches that an earlier run saved.

    Raises:
        OSError: the disk has no room for them.
    """

    def __init__(self, state: Path, identity: str, *, shape: tuple[int, ...]) -> None:
        self.state, self.file, self.identity = state, state.with_suffix(".images"), identity
        content = checkpoints.read(state) if state.exists() and self.file.exists() else {}
        self.done: int = content["done"] if content.get("identity") == identity else 0
        if not self.done:
            _make_room(self.file, 4 * int(np.prod(shape)))
        self._mapped = np.memmap(self.file, dtype=np.float32, mode="r+", shape=shape)
        self.images = torch.from_numpy(self._mapped)

    def resumable(
        self, batches: Sequence[Tensor], asked: list[Any], *, save_every_s: float
    ) -> Iterator[Tensor]:
        """The batches still to be done, whose images the caller fills in; saved in between.

        It ends the process with exit code 143 when `asked`, a list of signals, has one.
        """
        saved = time.monotonic()
        for number, where in enumerate(batches[self.done :], self.done + 1):
            yield where
            if asked or time.monotonic() - saved > save_every_s:
                self._mapped.flush()
                with writing(self.state) as temporary:
                    torch.save({"identity": self.identity, "done": number}, temporary)
                saved = time.monotonic()
            if asked:
                raise SystemExit(143)

    def remove(self) -> None:
        """Leave nothing of it on disk."""
        self.state.unlink(missing_ok=True)
        self.file.unlink()


def _make_room(path: Path, size: int) -> None:
    """A file of zeros; writing to a mapped one would kill the process where the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
