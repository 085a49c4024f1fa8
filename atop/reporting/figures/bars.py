"""Bars: a panel below the other, as narrow as a phone."""

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from atop.experiment.paper import title
from atop.experiment.tables import Table
from atop.reporting.figures import bar_layout


def figure(table: Table, frame: pd.DataFrame) -> Figure:
    """Accuracies with their 95% intervals, and the undefended classifier as a dashed line.

    Args:
        table: under its preset, with three labels a row.
        frame: aggregate.COLUMNS, from the table's CSV.
    """
    found = bar_layout.bars(table, frame)
    notes = [f"{number}  {reason}." for number, reason in found.notes.items()]
    lines = [line for text in (found.legend, *notes) for line in textwrap.wrap(text, 130)]
    height = 1.1 + 2.1 * len(found.panels) + 0.15 * len(lines)
    made = Figure(figsize=(7.2, height), layout="constrained")
    axes = made.subplots(len(found.panels), 1, squeeze=False)[:, 0]
    for axis, panel in zip(axes, found.panels, strict=True):
        _panel(axis, panel, found)
    shades = [
        Patch(facecolor=f"#{shade}", edgecolor="black", label=name)
        for name, shade in found.series.items()
    ]
    line = Line2D([], [], color="black", linestyle="--", label=found.line)
    made.legend(
        handles=[*shades, line],
        loc="outside upper center", ncols=3, fontsize=8, frameon=False,
        title=f"{title(table.name)}, preset {table.preset}",
        title_fontproperties={"size": 11, "weight": "bold"},
    )  # fmt: skip
    made.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7)
    return made


def _panel(axis: Axes, panel: bar_layout.Panel, whole: bar_layout.Bars) -> None:
    for name, own in panel.bars.items():
        if own:
            spread = [[bar.value - bar.low for bar in own], [bar.high - bar.value for bar in own]]
            axis.bar(
                [bar.x for bar in own], [bar.value for bar in own], panel.bar, yerr=spread,
                color=f"#{whole.series[name]}", capsize=2, edgecolor="black",
                linewidth=0.6, error_kw={"linewidth": 0.8},
            )  # fmt: skip
    if panel.line is not None:
        axis.axhline(panel.line, color="black", linestyle="--", linewidth=0.9)
    for x, number in panel.missing:
        axis.annotate(f"not run$^{{{number}}}$", (x, 2), rotation=90, ha="center", fontsize=6.5)
    axis.set_title(panel.title, fontsize=9, loc="left")
    axis.set_xticks([x for x, _ in panel.ticks], [name for _, name in panel.ticks], fontsize=7)
    for x, name in panel.groups:
        axis.annotate(
            name, (x, 0), (0, -18), xycoords=axis.get_xaxis_transform(),
            textcoords="offset points", ha="center", va="top", fontsize=8.5,
        )  # fmt: skip
    axis.set(xlim=(0, panel.end), ylim=(0, 100))
    axis.set_ylabel("accuracy in %", fontsize=8)
    axis.tick_params(axis="x", length=0)
    axis.tick_params(axis="y", labelsize=7)
    axis.grid(axis="y", alpha=0.3)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
