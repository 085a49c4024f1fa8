"""Bars: one panel below another, as narrow as a phone.

The labels of a row name its panel, its group of bars and its series; a dashed line shows the
undefended classifier of a panel. On the x axis, each column of a group has width 1.
"""

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from atop.experiment.paper import title
from atop.experiment.settings.attacks import parse_entry
from atop.experiment.tables import Column, Row, Table
from atop.reporting import attack_budgets

WIDTH = 0.8
"""Width of the bars of all series in a column together."""
SHADES = ("#BCD4E6", "#3A76AB", "#E0A458", "#7A3B12")
"""Colours of the series in turn: light and dark, so that they differ in grey print."""
GAP = 0.3
"""Distance between groups."""


def figure(table: Table, frame: pd.DataFrame) -> Figure:
    """Draw accuracies with their 95% intervals, and the undefended classifier as a dashed line.

    The table has three labels per row; the frame is the table's CSV, with aggregate.COLUMNS.
    """
    bars = _bars(table, frame)
    missing = bars.loc[bars["measured"].isna(), "reason"].unique()
    notes = {reason: number for number, reason in enumerate(missing, 1)}
    texts = [_legend(table, frame), *(f"{number}  {reason}." for reason, number in notes.items())]
    lines = [line for text in texts for line in textwrap.wrap(text, 130)]
    shades = {name: SHADES[i % len(SHADES)] for i, name in enumerate(bars["series"].unique())}
    panels = list(bars.groupby("panel", sort=False))
    size = (7.2, 1.1 + 2.1 * len(panels) + 0.15 * len(lines))
    drawing = Figure(figsize=size, layout="constrained")
    axes = drawing.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axis, (name, panel) in zip(axes, panels, strict=True):
        _style(axis)
        _groups(axis, table, panel["group"].unique().tolist())
        _draw(axis, panel, shades, notes)
        _undefended_line(axis, table, frame, str(name))
        substitutes = ", ".join(table.substitutes(table.row(panel["row"].iloc[0])))
        heading = f"{name} (here {substitutes})" if substitutes else name
        axis.set_title(heading, fontsize=9, loc="left")
    patches = [
        Patch(facecolor=shade, edgecolor="black", label=name) for name, shade in shades.items()
    ]
    dashes = f"Undefended ({_columns(table)[0].label})"
    drawing.legend(
        handles=[*patches, Line2D([], [], color="black", linestyle="--", label=dashes)],
        loc="outside upper center", ncols=3, fontsize=8, frameon=False,
        title=f"{title(table.name)}, preset {table.preset}",
        title_fontproperties={"size": 11, "weight": "bold"},
    )  # fmt: skip
    drawing.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7)
    return drawing


def _columns(table: Table) -> list[Column]:
    """Return the columns that have bars."""
    return [column for column in table.columns if column.drawn]


def _undefended(table: Table, row: Row) -> bool:
    cell = table.named(row)
    return cell is not None and cell.undefended


def _bars(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return lines of the frame with `panel`, `group`, `series`, bar centre `x` and `width`.

    A line without a number keeps its place.
    """
    rows = {row.key: row.labels for row in table.rows if not _undefended(table, row)}
    columns = [column.key for column in _columns(table)]
    bars = frame[frame["row"].isin(rows) & frame["column"].isin(columns)].copy()
    labels = bars["row"].map(rows)
    bars["panel"], bars["group"] = labels.str[0], labels.str[1]
    bars["series"] = f"{table.spec.labels[2]} " + labels.str[2]
    series = bars["series"].unique()
    for _, panel in bars.groupby("panel"):
        own = [name for name in series if name in set(panel["series"])]
        groups = list(panel["group"].unique())
        width = WIDTH / len(own)
        slot = panel["group"].map(groups.index) * (len(columns) + GAP) + GAP / 2
        slot += panel["column"].map(columns.index) + 0.5
        place = panel["series"].map(own.index) - (len(own) - 1) / 2
        bars.loc[panel.index, "x"] = slot + place * width
        bars.loc[panel.index, "width"] = width
    return bars


def _draw(axis: Axes, panel: pd.DataFrame, shades: dict[str, str], notes: dict[str, int]) -> None:
    """Draw bars with their intervals; the number of a note where a bar is missing."""
    for name, bars in panel.dropna(subset=["measured"]).groupby("series", sort=False):
        value = bars["measured"]
        axis.bar(
            bars["x"], value, bars["width"], yerr=[value - bars["low"], bars["high"] - value],
            color=shades[str(name)], capsize=2, edgecolor="black",
            linewidth=0.6, error_kw={"linewidth": 0.8},
        )  # fmt: skip
    missing = panel[panel["measured"].isna()]
    for x, reason in zip(missing["x"], missing["reason"], strict=True):
        text = f"not run$^{{{notes[reason]}}}$"
        axis.annotate(text, (x, 2), rotation=90, ha="center", fontsize=6.5)


def _groups(axis: Axes, table: Table, groups: list[str]) -> None:
    """Label the groups and the columns in each."""
    columns = _columns(table)
    starts = [i * (len(columns) + GAP) + GAP / 2 for i in range(len(groups))]
    ticks = [start + i + 0.5 for start in starts for i in range(len(columns))]
    axis.set_xticks(ticks, [column.label for column in columns] * len(groups), fontsize=7)
    axis.set(xlim=(0, len(groups) * (len(columns) + GAP)))
    for start, name in zip(starts, groups, strict=True):
        axis.annotate(
            name, (start + len(columns) / 2, 0), (0, -18), xycoords=axis.get_xaxis_transform(),
            textcoords="offset points", ha="center", va="top", fontsize=8.5,
        )  # fmt: skip


def _undefended_line(axis: Axes, table: Table, frame: pd.DataFrame, panel: str) -> None:
    """Draw a dashed line at the panel's undefended classifier in the first column."""
    rows = [row.key for row in table.rows if row.labels[0] == panel and _undefended(table, row)]
    lines = frame[frame["row"].isin(rows) & (frame["column"] == _columns(table)[0].key)]
    for measured in lines["measured"].dropna()[:1]:
        axis.axhline(measured, color="black", linestyle="--", linewidth=0.9)


def _style(axis: Axes) -> None:
    axis.set(ylim=(0, 100))
    axis.set_ylabel("accuracy in %", fontsize=8)
    axis.tick_params(axis="x", length=0)
    axis.tick_params(axis="y", labelsize=7)
    axis.grid(axis="y", alpha=0.3)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _legend(table: Table, frame: pd.DataFrame) -> str:
    """Describe the columns: "Standard: n = 512; AutoAttack: Linf 8/255, n = 12, scaled down"."""
    measured = frame.dropna(subset=["measured"])
    parts = []
    for column in _columns(table):
        counts = measured.loc[measured["column"] == column.key, "n"].astype(int)
        n = "n = " + " to ".join(map(str, sorted({*counts}))) if len(counts) else ""
        listed, run = (
            [table.preset.attack(parse_entry(entry, "").attack) for entry in entries]
            for entries in (column.listed, column.entries)
        )
        balls = ", ".join(sorted({attack_budgets.ball(budget) for budget in listed} - {""}))
        changes = attack_budgets.reduced(run, table.preset)
        changes += [f"without {entry}" for entry in column.left_out]
        about = ", ".join(filter(None, (balls, n, *changes)))
        parts.append(f"{column.label}: {about}" if about else column.label)
    return "; ".join(parts)
