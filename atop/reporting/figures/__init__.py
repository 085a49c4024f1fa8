"""Figures of a rendered table, from its CSV: whoever has the figure has the data beside it."""

from pathlib import Path

import pandas as pd

from atop.core.errors import AtopError
from atop.core.files import writing
from atop.experiment import config, tables
from atop.reporting.figures.bars import figure as of_bars
from atop.reporting.figures.curves import figure as of_curves


def plot(data: Path, out: list[Path]) -> None:
    """Draw the figure that a table's config names, or else the curves that its columns name.

    Args:
        data: the CSV of a rendered table, called as the table. Of presets the first is drawn.
        out: files to write; their suffix is the format.

    Raises:
        AtopError: nothing that can be drawn was measured.
    """
    frame, name = pd.read_csv(data), data.stem
    frame = frame[frame["preset"] == frame["preset"].iloc[0]]
    if name in config.tables() and config.read(f"tables/{name}", "table").get("figure"):
        drawn = of_bars(tables.table(name, frame["preset"].iloc[0]), frame)
    elif frame.dropna(subset=["measured", "curve"]).empty:
        raise AtopError(f"{data}: nothing was measured, so there is nothing to plot")
    else:
        drawn = of_curves(frame)
    for path in out:
        with writing(path) as temporary:
            drawn.savefig(temporary, format=path.suffix[1:], dpi=160)
