"""A table as a figure of bars, for LaTeX and for matplotlib alike: what stands where, in words.

The labels of a row name its panel, its group of bars and the series; an undefended classifier is
the dashed line of its panel. On the x axis a column of a group is one wide.
"""

from dataclasses import dataclass
from itertools import cycle, groupby
from typing import Any

import pandas as pd

from atop.experiment import config
from atop.experiment.tables import Column, Row, Table
from atop.reporting import attack_budgets

Place = tuple[float, str]
"""Where on the x axis, and what stands there."""

WIDTH = 0.8
"""Of the bars of all series side by side."""
SHADES = ("BCD4E6", "3A76AB", "E0A458", "7A3B12")
"""Of series, in turn; light and dark, so that they differ in grey print."""
GAP = 0.3
"""Between groups."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A measured accuracy with its 95% interval, in percent."""

    x: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: its rows' label, and what stands in for the network and data that it names.
        line: height of the dashed line in percent, if that was measured.
        end: of the x axis, which begins at 0.
        bar: width of one.
        groups, ticks: names under groups and under their columns.
        bars: by series.
        missing: the number of the note that says why there is no bar.
    """

    title: str
    line: float | None
    end: float
    bar: float
    groups: list[Place]
    ticks: list[Place]
    bars: dict[str, list[Bar]]
    missing: list[Place]


@dataclass(frozen=True, kw_only=True)
class Bars:
    """The figure.

    Attributes:
        panels: one below the other.
        series: bars that stand side by side, the same in all panels: name and shade (RRGGBB).
        line: name of the dashed line.
        legend: how many pictures a bar stands for, within which ball.
        notes: why bars are missing, by number.
    """

    panels: list[Panel]
    series: dict[str, str]
    line: str
    legend: str
    notes: dict[int, str]


def bars(table: Table, frame: pd.DataFrame) -> Bars:
    """What a figure shows.

    Args:
        table: under its preset, with three labels a row.
        frame: aggregate.COLUMNS, fresh or from the table's CSV.
    """
    lines: dict[tuple[str, str], Any] = {
        (line["row"], line["column"]): line for line in frame.to_dict("records")
    }
    shown = [row for row in table.rows if not _undefended(table, row)]
    drawn = [column.key for column in _columns(table)]
    missing = frame["row"].isin([row.key for row in shown]) & frame["column"].isin(drawn)
    missing &= frame["measured"].isna()
    numbers = {reason: number for number, reason in enumerate(frame["reason"][missing].unique(), 1)}
    series = list(dict.fromkeys(_series(table, row) for row in shown))
    return Bars(
        panels=[
            _panel(table, lines, list(rows), series, numbers)
            for _, rows in groupby(shown, key=lambda row: row.labels[0])
        ],
        series=dict(zip(series, cycle(SHADES), strict=False)),
        line=f"Undefended ({_columns(table)[0].label})",
        legend=_legend(table, frame),
        notes={number: reason for reason, number in numbers.items()},
    )


def _columns(table: Table) -> list[Column]:
    """Those that have bars."""
    return [column for column in table.columns if column.drawn]


def _series(table: Table, row: Row) -> str:
    return f"{table.spec['labels'][2]} {row.labels[2]}"


def _undefended(table: Table, row: Row) -> bool:
    cell = table.named(row)
    return cell is not None and cell.undefended


def _panel(
    table: Table,
    lines: dict[tuple[str, str], Any],
    rows: list[Row],
    series: list[str],
    numbers: dict[str, int],
) -> Panel:
    columns = _columns(table)
    title = rows[0].labels[0]
    stand_ins = table.stand_ins(rows[0])
    groups = list(dict.fromkeys(row.labels[1] for row in rows))
    own = [name for name in series if name in {_series(table, row) for row in rows}]
    starts = {group: i * (len(columns) + GAP) + GAP / 2 for i, group in enumerate(groups)}
    width = WIDTH / len(own)
    found: dict[str, list[Bar]] = {name: [] for name in own}
    missing: list[Place] = []
    for row in rows:
        for i, column in enumerate(columns):
            place = own.index(_series(table, row)) - (len(own) - 1) / 2
            x = round(starts[row.labels[1]] + i + 0.5 + place * width, 3)
            line = lines[row.key, column.key]
            if pd.isna(line["measured"]):
                missing.append((x, str(numbers[line["reason"]])))
            else:
                value, low, high = (float(line[key]) for key in ("measured", "low", "high"))
                found[_series(table, row)].append(Bar(x=x, value=value, low=low, high=high))
    return Panel(
        title=f"{title} (here {', '.join(stand_ins)})" if stand_ins else title,
        line=_line(table, lines, title),
        end=round(len(groups) * (len(columns) + GAP), 3),
        bar=width,
        groups=[(round(start + len(columns) / 2, 3), group) for group, start in starts.items()],
        ticks=[
            (round(start + i + 0.5, 3), column.label)
            for start in starts.values()
            for i, column in enumerate(columns)
        ],
        bars=found,
        missing=missing,
    )


def _line(table: Table, lines: dict[tuple[str, str], Any], title: str) -> float | None:
    """The panel's undefended classifier in the first column."""
    for row in table.rows:
        if row.labels[0] == title and _undefended(table, row):
            measured = lines[row.key, _columns(table)[0].key]["measured"]
            return None if pd.isna(measured) else float(measured)
    return None


def _legend(table: Table, frame: pd.DataFrame) -> str:
    """Such as "Standard: n = 512; AutoAttack: Linf 8/255, n = 12, scaled down"."""
    measured = frame.dropna(subset=["measured"])
    told = []
    for column in _columns(table):
        counts = measured.loc[measured["column"] == column.key, "n"].astype(int)
        n = "" if counts.empty else "n = " + " to ".join(map(str, sorted({*counts})))
        words = ", ".join(filter(None, (_ball(table, column), n, *_less(table, column))))
        told.append(f"{column.label}: {words}" if words else column.label)
    return "; ".join(told)


def _less(table: Table, column: Column) -> list[str]:
    """What a preset made of a column's attacks: some weaker, some left out."""
    run = [config.attack(config.entry(entry, "")[0], table.preset) for entry in column.entries]
    missing = [f"without {entry}" for entry in column.left_out]
    return attack_budgets.reduced(run, table.preset) + missing


def _ball(table: Table, column: Column) -> str:
    names = {config.entry(entry, "")[0] for entry in column.listed}
    found = {attack_budgets.ball(config.attack(name, table.preset)) for name in names}
    return ", ".join(sorted(found - {""}))
