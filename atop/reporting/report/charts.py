"""Charts in Vega-Lite, as wide as the page and in its text colour."""

import json
import textwrap
from typing import Any

import altair as alt
import pandas as pd

from atop.core.values import Dict

MEASURED, PAPER = "#3d85c6", "#d9822b"  # both are visible on white and on black
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
"""Width in pixels for column names; letters of a row name that fit in a line on a phone."""


def intervals(frame: pd.DataFrame, name: str) -> Dict | None:
    """Draw measured numbers of a table with 95% intervals and the paper's by row, if any.

    The frame has aggregate.COLUMNS.
    """
    lines = _lines(frame.dropna(subset=["measured"]))
    if not lines:
        return None
    # Layers are filtered: only an explicit domain keeps the order.
    order = alt.Scale(domain=[line["key"] for line in lines])
    place = alt.Y("key:N").scale(order).title(None).axis(
        labelExpr="split(datum.value, '|')[1]", minExtent=MARGIN, maxExtent=MARGIN,
        labelLimit=MARGIN - 8, domain=False, ticks=False, labelPadding=8, grid=False,
    )  # fmt: skip
    base = alt.Chart(alt.InlineData(values=lines)).encode(y=place)
    percent = alt.Scale(domain=[0, 100])
    tip = [alt.Tooltip(f"{key}:N") for key in ("row", "column", "label", "paper", "verdict")]
    bars = base.mark_rule(color=MEASURED, strokeWidth=3).encode(
        x=alt.X("low:Q", scale=percent, title="accuracy in %").axis(orient="top"),
        x2="high:Q", tooltip=tip,
    )  # fmt: skip
    dots = base.mark_point(color=MEASURED, filled=True, size=70, opacity=1)
    diamonds = base.mark_point(color=PAPER, shape="diamond", size=80, strokeWidth=2, opacity=1)
    heads = base.mark_text(align="left", fontWeight="bold", clip=False)
    chart = alt.layer(
        bars.transform_filter("isValid(datum.low)"),
        dots.transform_filter("isValid(datum.low)").encode(x="measured:Q", tooltip=tip),
        diamonds.transform_filter("isValid(datum.paper)").encode(x="paper:Q", tooltip=tip),
        heads.encode(x=alt.value(-MARGIN), text="head:N"),
    )
    description = f"{name}: measured numbers with 95% intervals; the table below has the same"
    return _spec(chart, description, height=20 * len(lines))


def _lines(frame: pd.DataFrame) -> list[Dict]:
    """Return lines from top to bottom: the lines of a row's name, then its numbers."""
    lines: list[Dict] = []
    for row, numbers in frame.groupby("labels", sort=False):
        for head in textwrap.wrap(str(row), LETTERS):
            lines.append({"key": f"{len(lines)}|", "head": head})
        for number in numbers.to_dict("records"):
            rounded = {key: round(number[key], 2) for key in ("measured", "low", "high")}
            texts = {
                "key": f"{len(lines)}|{number['column_label']}",
                "head": "",
                "row": row,
                "column": number["column_label"],
                "label": "{measured:.1f} [{low:.1f}, {high:.1f}]".format(**rounded),
                "paper": float(number["paper"]) if number["paper"] else None,
                "verdict": number["verdict"],
            }
            lines.append(texts | rounded)
    return lines


def outcomes(counts: list[Dict], colours: dict[str, str]) -> Dict | None:
    """Draw the outcomes of each table's printed numbers as stacked bars; None without numbers.

    Args:
        counts: `table`, `outcome` and `count`, the tables from top to bottom.
        colours: by outcome, from left to right; the page has the legend.
    """
    order = list(colours)
    lines = [line | {"order": order.index(line["outcome"])} for line in counts if line["count"]]
    if not lines:
        return None
    tables = list(dict.fromkeys(line["table"] for line in lines))
    scale = alt.Scale(domain=order, range=list(colours.values()))
    bars = alt.Chart(alt.InlineData(values=lines)).mark_bar(stroke="currentColor", strokeWidth=0.5)
    chart = bars.encode(
        y=alt.Y("table:N", title=None, sort=tables).axis(ticks=False, domain=False, labelPadding=6),
        x=alt.X("count:Q", title="numbers that the paper prints").axis(tickMinStep=1, tickCount=8),
        color=alt.Color("outcome:N", scale=scale, legend=None),
        order=alt.Order("order:Q"),
        tooltip=["table:N", "outcome:N", "count:Q"],
    )
    description = "Outcomes of the paper's numbers by table; the table below has the same"
    return _spec(chart, description, height=18 * len(tables))


def training(lines: list[Dict], *, key: str, axis: str, points: bool) -> Dict | None:
    """Draw values over the training of one stage that the reader selects; None without lines.

    Args:
        lines: `cell`, `images` (seen so far), `name`, `value`, `label` (the full name) and
            `source`: HERE, or LOG, which is drawn thinner and without points.
        key: name of the chart's own selection.
        axis: title of the values.
        points: mark each value; otherwise dashes distinguish the names.
    """
    if not lines:
        return None
    cells = list(dict.fromkeys(line["cell"] for line in lines))
    picked = f"stage_{key}"
    pick = alt.param(
        name=picked, value=cells[0], bind=alt.binding_select(options=cells, name=f"{key} of ")
    )
    tip = [alt.Tooltip("label:N"), alt.Tooltip("images:Q", format=",d"), alt.Tooltip("value:Q")]
    base = alt.Chart(alt.InlineData(values=lines)).encode(
        x=alt.X("images:Q", title="images seen").axis(format=",d", tickCount=5, labelSeparation=8),
        y=alt.Y("value:Q", title=axis).scale(zero=False),
        tooltip=tip,
    )
    colour = alt.Color("name:N", title=None).scale(range=LINES)
    if points:
        # A layer for the log alone would be empty for most stages, and Vega warns of that.
        thin = f"datum.source === {json.dumps(LOG)}"
        line = base.mark_line().encode(
            detail="source:N",
            color=colour.legend(None),  # the legend of the points shows their shapes too
            strokeWidth=alt.condition(thin, alt.value(1), alt.value(2)),
            strokeDash=alt.condition(thin, alt.value([4, 3]), alt.value([1, 0])),
            opacity=alt.condition(thin, alt.value(0.8), alt.value(1)),
        )
        marks = base.mark_point(filled=True, opacity=1).encode(
            color=colour,
            shape=alt.Shape("name:N", title=None),
            size=alt.condition(thin, alt.value(8), alt.value(50)),
        )
        chart = (line + marks).resolve_scale(color="independent", shape="independent")
    else:
        dashes = alt.StrokeDash("name:N", title=None)
        chart = base.mark_line(strokeWidth=2).encode(color=colour, strokeDash=dashes)
    chart = chart.transform_filter(f"datum.cell === {picked}").add_params(pick)
    return _spec(chart, f"Training: {key} over the images seen by a stage", height=260)


def _spec(chart: Any, description: str, height: int) -> Dict:
    sized = chart.properties(width="container", height=height, description=description)
    spec: Dict = sized.to_dict()
    return spec | {"config": CONFIG}
