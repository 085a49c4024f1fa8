"""Plots of a table that holds curves, from its CSV: whoever has the plot has the data beside it."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from atop.errors import AtopError
from atop.files import writing

mpl.use("Agg")

PANELS = {
    "eot": "EOT draws per step",
    "steps": "steps",
    "eps": "radius / (1/255)",
}
STYLES = {"noise": ("eps", "--", "random noise")}
"""Curves that share the panel of another one: panel, line style, name."""


def convergence(data: Path, out: list[Path]) -> None:
    """Robust accuracy with its 95% interval against EOT, steps and radius, a colour for each row.

    Args:
        data: the CSV of a rendered table whose columns name `curve` and `x`.
        out: files to write; their suffix is the format.

    Raises:
        AtopError: nothing of the table was measured.
    """
    frame = pd.read_csv(data).dropna(subset=["measured", "curve"])
    if frame.empty:
        raise AtopError(f"{data}: nothing was measured, so there is nothing to plot")
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    axes = figure.subplots(1, len(PANELS), sharey=True)
    for axis, (panel, label) in zip(axes, PANELS.items(), strict=True):
        for colour, (name, row) in enumerate(frame.groupby("labels", sort=False)):
            for curve, lines in row.groupby("curve", sort=False):
                where, style, extra = STYLES.get(str(curve), (curve, "-", ""))
                if where == panel:
                    told = f"{name}, {extra}" if extra else str(name)
                    _line(axis, lines.sort_values("x"), told, f"C{colour}", style)
        axis.set(xscale="log", xlabel=label)
        axis.set_xticks(sorted(frame.loc[frame["curve"] == panel, "x"].unique()))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set(ylabel=f"robust accuracy in % (n = {frame['n'].min():g})", ylim=(-2, 100))
    axes[-1].legend(fontsize="small")
    for path in out:
        with writing(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=160)


def _line(axis, lines: pd.DataFrame, name: str, colour: str, style: str) -> None:  # type: ignore[no-untyped-def]
    spread = [lines["measured"] - lines["low"], lines["high"] - lines["measured"]]
    axis.errorbar(
        lines["x"], lines["measured"], yerr=spread,
        label=name, color=colour, linestyle=style, marker="o", markersize=3, capsize=2,
    )  # fmt: skip
