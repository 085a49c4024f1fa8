"""Charts as Vega-Lite, as wide as the page and in its colour of text."""

import json
import textwrap
from typing import Any

import altair as alt
import pandas as pd

from atop.core.values import Dict

MEASURED, PAPER = "#3d85c6", "#d9822b"  # both stand out on white and on black
LINES = ["#3d85c6", "#d9822b", "#3f9d5a", "#a66fd0", "#c0a020", "#8c8c8c"]
HERE, LOG = "measured here", "authors' log"
AXIS = {f"{part}Color": "currentColor" for part in ("label", "title", "tick", "domain")} | {
    "gridColor": "#80808040"
}
CONFIG: Dict = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": AXIS,
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor", "orient": "top"},
    "text": {"color": "currentColor"},
}
MARGIN, LETTERS = 112, 46
"""Pixels for names of columns; so many letters of a row's name fit beside nothing on a phone."""


def intervals(frame: pd.DataFrame, name: str) -> Dict | None:
    """Measured numbers with their 95% intervals and the paper's, row by row; None without any.

    Args:
        frame: aggregate.COLUMNS.
        name: of the table.
    """
    lines = _lines(frame.dropna(subset=["measured"]))
    if not lines:
        return None
    # Layers are filtered, so that only a domain written out keeps the order.
    order = alt.Scale(domain=[line["key"] for line in lines])
    place = alt.Y("key:N").scale(order).title(None).axis(
        labelExpr="split(datum.value, '|')[1]", minExtent=MARGIN, maxExtent=MARGIN,
        labelLimit=MARGIN - 8, domain=False, ticks=False, labelPadding=8, grid=False,
    )  # fmt: skip
    whole = alt.Chart(alt.InlineData(values=lines)).encode(y=place)
    percent = alt.Scale(domain=[0, 100])
    tip = [alt.Tooltip(f"{key}:N") for key in ("row", "column", "told", "paper", "verdict")]
    bars = whole.mark_rule(color=MEASURED, strokeWidth=3).encode(
        x=alt.X("low:Q", scale=percent, title="accuracy in %").axis(orient="top"),
        x2="high:Q", tooltip=tip,
    )  # fmt: skip
    dots = whole.mark_point(color=MEASURED, filled=True, size=70, opacity=1)
    diamonds = whole.mark_point(color=PAPER, shape="diamond", size=80, strokeWidth=2, opacity=1)
    heads = whole.mark_text(align="left", fontWeight="bold", clip=False)
    chart = alt.layer(
        bars.transform_filter("isValid(datum.low)"),
        dots.transform_filter("isValid(datum.low)").encode(x="measured:Q", tooltip=tip),
        diamonds.transform_filter("isValid(datum.paper)").encode(x="paper:Q", tooltip=tip),
        heads.encode(x=alt.value(-MARGIN), text="head:N"),
    )
    described = f"{name}: measured numbers with 95% intervals; the table below says the same"
    return _spec(chart, described, height=20 * len(lines))


def _lines(frame: pd.DataFrame) -> list[Dict]:
    """Lines from the top down: those of a row's name, then its numbers."""
    lines: list[Dict] = []
    for row, numbers in frame.groupby("labels", sort=False):
        for head in textwrap.wrap(str(row), LETTERS):
            lines.append({"key": f"{len(lines)}|", "head": head})
        for number in numbers.to_dict("records"):
            low, value, high = (round(number[key], 2) for key in ("low", "measured", "high"))
            lines.append(
                {
                    "key": f"{len(lines)}|{number['column_label']}",
                    "head": "",
                    "row": row,
                    "column": number["column_label"],
                    "measured": value,
                    "low": low,
                    "high": high,
                    "told": f"{value:.1f} [{low:.1f}, {high:.1f}]",
                    "paper": float(number["paper"]) if number["paper"] else None,
                    "verdict": number["verdict"],
                }
            )
    return lines


def outcomes(counts: list[Dict], colours: dict[str, str]) -> Dict | None:
    """How many of each table's printed numbers came out how, as stacked bars; None without any.

    Args:
        counts: `table`, `outcome` and `count`, the tables from the top down.
        colours: of the outcomes, from left to right; the page explains them.
    """
    lines = [
        {**line, "order": list(colours).index(line["outcome"])} for line in counts if line["count"]
    ]
    if not lines:
        return None
    tables = list(dict.fromkeys(line["table"] for line in lines))
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    bars = (
        alt.Chart(alt.InlineData(values=lines))
        .mark_bar(stroke="currentColor", strokeWidth=0.5)
        .encode(
            y=alt.Y("table:N", title=None, sort=tables).axis(
                ticks=False, domain=False, labelPadding=6
            ),
            x=alt.X("count:Q", title="numbers that the paper prints").axis(
                tickMinStep=1, tickCount=8
            ),
            color=alt.Color("outcome:N", scale=scale, legend=None),
            order=alt.Order("order:Q"),
            tooltip=["table:N", "outcome:N", "count:Q"],
        )
    )
    described = "Outcomes of the paper's numbers by table; the table below says the same"
    return _spec(bars, described, height=18 * len(tables))


def training(lines: list[Dict], *, key: str, axis: str, points: bool) -> Dict | None:
    """Values along the training of one stage, which the reader picks; None without lines.

    Args:
        lines: `cell`, `pictures` (seen until then), `name`, `value`, `told` (the name in full) and
            `source`: HERE, or LOG, which is drawn thinner and without points.
        key: names the chart's own choice of a stage.
        axis: what the values are.
        points: whether each value is marked; otherwise dashes tell the names apart.
    """
    if not lines:
        return None
    cells = list(dict.fromkeys(line["cell"] for line in lines))
    picked = f"stage_{key}"
    pick = alt.param(
        name=picked, value=cells[0], bind=alt.binding_select(options=cells, name=f"{key} of ")
    )
    tip = [alt.Tooltip("told:N"), alt.Tooltip("pictures:Q", format=",d"), alt.Tooltip("value:Q")]
    whole = alt.Chart(alt.InlineData(values=lines)).encode(
        x=alt.X("pictures:Q", title="pictures seen").axis(
            format=",d", tickCount=5, labelSeparation=8
        ),
        y=alt.Y("value:Q", title=axis).scale(zero=False),
        tooltip=tip,
    )
    colour = alt.Color("name:N", title=None).scale(range=LINES)
    if points:
        # Layers of the log alone would be empty for most stages, of which Vega warns.
        thin = f"datum.source === {json.dumps(LOG)}"
        line = whole.mark_line().encode(
            detail="source:N",
            color=colour.legend(None),  # that of the points shows their shapes too
            strokeWidth=alt.condition(thin, alt.value(1), alt.value(2)),
            strokeDash=alt.condition(thin, alt.value([4, 3]), alt.value([1, 0])),
            opacity=alt.condition(thin, alt.value(0.8), alt.value(1)),
        )
        marks = whole.mark_point(filled=True, opacity=1).encode(
            color=colour,
            shape=alt.Shape("name:N", title=None),
            size=alt.condition(thin, alt.value(8), alt.value(50)),
        )
        chart = (line + marks).resolve_scale(color="independent", shape="independent")
    else:
        dashes = alt.StrokeDash("name:N", title=None)
        chart = whole.mark_line(strokeWidth=2).encode(color=colour, strokeDash=dashes)
    chart = chart.transform_filter(f"datum.cell === {picked}").add_params(pick)
    return _spec(chart, f"Training: {key} along the pictures seen by a stage", height=260)


def _spec(chart: Any, described: str, height: int) -> Dict:
    made = chart.properties(width="container", height=height, description=described)
    spec: Dict = made.to_dict()
    return spec | {"config": CONFIG}
