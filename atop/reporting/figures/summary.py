"""Summary of a preset: each defence on clean images, in the grey box and under the strict protocol.

A row of bars per defence, as narrow as a phone; the numbers are those of Table 7 and `strict`.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

SERIES = {
    "clean images": ("#BCD4E6", [("table7", "standard"), ("strict", "clean")]),
    "PGD on f alone": ("#3A76AB", [("table7", "pgd-1000"), ("strict", "grey-box")]),
    "worst of all Linf attacks on f, g and t": ("#7A3B12", [("strict", "worst")]),
}
"""Colours of a row's bars, from top to bottom, and the columns of tables that have their numbers.
Of two columns the second is for rows that the first does not have."""
HEIGHT = 0.27
"""Height of a bar; the bars of a row share a height of 1."""


def figure(frames: dict[str, pd.DataFrame], preset: str) -> Figure | None:
    """Draw accuracies with their 95% intervals; None if a series has no number of the preset.

    Args:
        frames: CSV files of released tables, with aggregate.COLUMNS, by the table's name.
        preset: whose rows are drawn.
    """
    series = [_numbers(frames, preset, columns) for _, columns in SERIES.values()]
    if any(numbers.empty for numbers in series):
        return None
    labels = pd.concat(numbers["labels"] for numbers in series).groupby(level=0, sort=False).first()
    drawing = Figure(figsize=(6.4, 1.2 + 0.42 * len(labels)), layout="constrained")
    axis = drawing.subplots()
    for place, (label, numbers) in enumerate(zip(SERIES, series, strict=True), -1):
        rows = labels.index.get_indexer(numbers.index)
        _draw(axis, numbers, rows + HEIGHT * place, label)
    axis.set(xlim=(0, 100), ylim=(len(labels) - 0.5, -0.5), xlabel="accuracy in %")
    axis.set_yticks(range(len(labels)), labels, fontsize=8)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    drawing.legend(loc="outside upper left", fontsize=8, frameon=False)
    return drawing


def _numbers(
    frames: dict[str, pd.DataFrame], preset: str, columns: list[tuple[str, str]]
) -> pd.DataFrame:
    """Return measured lines by cell, of the first column that has one."""
    lines = pd.concat(frames[table].query("column == @column") for table, column in columns)
    lines = lines[lines["preset"] == preset].dropna(subset=["measured"])
    return lines.drop_duplicates("cell").set_index("cell")


def _draw(axis: Axes, numbers: pd.DataFrame, places: ArrayLike, label: str) -> None:
    """Draw the bars of a series; a defence that was not measured has none."""
    value, counts = numbers["measured"], sorted({*numbers["n"].astype(int)})
    axis.barh(
        places, value, HEIGHT, xerr=[value - numbers["low"], numbers["high"] - value],
        color=SERIES[label][0], edgecolor="black", linewidth=0.5, capsize=2,
        error_kw={"linewidth": 0.8}, label=f"{label}, n = {' or '.join(map(str, counts))}",
    )  # fmt: skip
