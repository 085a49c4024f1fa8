"""Interruption: a run that is asked to stop ends its step, saves its state, and goes on later."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

SAVE_EVERY_S = float(os.environ.get("ATOP_SAVE_EVERY_S", "60"))
"""Seconds between saves of the state of a run."""


@contextmanager
def sigterm() -> Iterator[list[int]]:
    """Collect SIGTERM in a list, so that a loop can end the step or batch that it is in."""
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)
