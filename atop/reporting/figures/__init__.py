"""Figures of rendered tables, drawn from the CSV files of the tables."""

from pathlib import Path

import pandas as pd
from matplotlib import rc_context

from atop.core.errors import AtopError
from atop.core.files import writing
from atop.experiment import config, presets, tables
from atop.reporting.figures import bars, curves, summary


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


def summarise(folder: Path) -> list[Path]:
    """Draw `summary-PRESET.svg` of each preset that is in both tables of a summary.

    Args:
        folder: has the CSV files of rendered tables; the drawings go there.
    """
    named = {table for _, columns in summary.SERIES.values() for table, _ in columns}
    frames = {name: pd.read_csv(folder / f"{name}.csv") for name in named}
    paths = []
    for preset in presets.names():
        if figure := summary.figure(frames, preset):
            paths.append(folder / f"summary-{preset}.svg")
            # The same numbers give the same file.
            with writing(paths[-1]) as temporary, rc_context({"svg.hashsalt": "atop"}):
                figure.savefig(temporary, format="svg", metadata={"Date": None})
    return paths
