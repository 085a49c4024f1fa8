"""A deadline: it stops the running task, gently at first."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_S = 10.0
"""Seconds in which a training step or a batch of an attack can end and be saved."""


class StoppedError(SystemExit):
    """The time is up, or SIGTERM came; no Exception, so that no handler catches it by mistake."""


class Deadline:
    """A moment of the monotonic clock, and whether its alarm has rung."""

    def __init__(self, moment: float) -> None:
        self.moment, self.rung = moment, False

    @property
    def left(self) -> float:
        """Seconds until then."""
        return self.moment - time.monotonic()


@contextmanager
def until(moment: float, *, grace: float = GRACE_S) -> Iterator[Deadline]:
    """Stop the block at a moment: by SIGTERM, which loops handle, and then by StoppedError.

    Where no loop handles SIGTERM, it raises StoppedError at once; and again after each `grace`, if
    something caught it.
    """
    deadline = Deadline(moment)

    def terminate(number: int, frame: FrameType | None) -> None:
        raise StoppedError(143)

    def alarm(number: int, frame: FrameType | None) -> None:
        first, deadline.rung = not deadline.rung, True
        if not first:
            raise StoppedError(143)
        signal.raise_signal(signal.SIGTERM)

    before = [
        (number, signal.signal(number, handler))
        for number, handler in ((signal.SIGTERM, terminate), (signal.SIGALRM, alarm))
    ]
    signal.setitimer(signal.ITIMER_REAL, max(deadline.left, 1e-3), grace)
    try:
        yield deadline
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before:
            signal.signal(number, handler)
