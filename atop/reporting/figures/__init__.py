"""Figures of rendered tables, drawn from the CSV files of the tables."""

from pathlib import Path

import pandas as pd

from atop.core.errors import AtopError
from atop.core.files import writing
from atop.experiment import config, presets, tables
from atop.reporting.figures import bars, curves


def plot(data: Path, out: list[Path]) -> None:
    """Draw bars if the table's config names a figure, else the curves that its columns name.

    Args:
        data: the CSV of a rendered table, with the table's name. Only its first preset is drawn.
        out: files to write; their suffix is the format.

    Raises:
        AtopError: nothing that can be drawn was measured.
    """
    frame, name = pd.read_csv(data), data.stem
    preset = frame["preset"].iloc[0]
    frame = frame[frame["preset"] == preset]
    if name in config.tables() and config.table(name).figure:
        figure = bars.figure(tables.table(name, presets.get(preset)), frame)
    elif frame.dropna(subset=["measured", "curve"]).empty:
        raise AtopError(f"{data}: nothing was measured, so there is nothing to plot")
    else:
        figure = curves.figure(frame)
    for path in out:
        with writing(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=160)
