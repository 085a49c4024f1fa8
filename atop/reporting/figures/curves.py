"""Curves: accuracy against a parameter of an attack."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PANELS = {
    "eot": "EOT draws per step",
    "steps": "steps",
    "joint": "EOT draws x steps",
    "eps": "radius / (1/255)",
}
STYLES = {"noise": ("eps", "--", "random noise")}
"""Curves that are drawn in the panel of another curve: panel, line style, name."""


def figure(frame: pd.DataFrame) -> Figure:
    """Draw robust accuracy with its 95% interval against EOT draws, steps and radius, by row.

    Draws x steps has a panel if at least two of its points were measured. The frame has
    aggregate.COLUMNS; lines without a curve or a measured number are left out.
    """
    frame = frame.dropna(subset=["measured", "curve"])
    panels = dict(PANELS)
    if frame.loc[frame["curve"] == "joint", "x"].nunique() < 2:
        del panels["joint"]
    drawing = Figure(figsize=(10 * len(panels) / 3, 3.4), layout="constrained")
    axes = drawing.subplots(1, len(panels), sharey=True)
    for axis, (panel, label) in zip(axes, panels.items(), strict=True):
        for colour, (name, row) in enumerate(frame.groupby("labels", sort=False)):
            for curve, lines in row.groupby("curve", sort=False):
                place, style, extra = STYLES.get(str(curve), (curve, "-", ""))
                if place == panel:
                    line_name = f"{name}, {extra}" if extra else str(name)
                    _line(axis, lines.sort_values("x"), line_name, f"C{colour}", style)
        axis.set(xscale="log", xlabel=label)
        axis.set_xticks(sorted(frame.loc[frame["curve"] == panel, "x"].unique()))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set(ylabel=f"robust accuracy in % (n = {frame['n'].min():g})", ylim=(-2, 100))
    axes[-1].legend(fontsize="small")
    return drawing


def _line(axis: Axes, lines: pd.DataFrame, name: str, colour: str, style: str) -> None:
    errors = [lines["measured"] - lines["low"], lines["high"] - lines["measured"]]
    axis.errorbar(
        lines["x"], lines["measured"], yerr=errors,
        label=name, color=colour, linestyle=style, marker="o", markersize=3, capsize=2,
    )  # fmt: skip
