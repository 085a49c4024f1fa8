"""Progress bars with throughput and time left, for terminals and log files."""

import sys
from typing import Any

from tqdm import tqdm


def progress(title: str, total: int, *, unit: str, done: int = 0) -> "tqdm[Any]":
    """Return a bar on standard error; a file gets a line every ten seconds instead."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=title,
        unit=unit,
        unit_scale=unit == "B",
        smoothing=0.1,
        mininterval=0.2 if terminal else 10.0,
        maxinterval=float("inf"),
        bar_format=None if terminal else _LINE,
        file=sys.stderr,
    )


_LINE = "{desc}: {percentage:3.0f}% of {total_fmt} {unit}, {rate_fmt}, {remaining} left{postfix}\n"
