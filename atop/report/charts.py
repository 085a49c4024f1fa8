"""Charts as Vega-Lite, as wide as the page and in its colour of text."""

import textwrap
from typing import Any

import altair as alt
import pandas as pd

Dict = dict[str, Any]

MEASURED, PAPER = "#3d85c6", "#d9822b"  # both stand out on white and on black
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


def training(lines: list[Dict], *, key: str, axis: str) -> Dict | None:
    """Values along the steps of one training stage, which the reader picks; None without lines.

    Args:
        lines: `cell`, `step`, `name` and `value`.
        key: names the chart's own choice of a stage.
        axis: what the values are.
    """
    if not lines:
        return None
    cells = list(dict.fromkeys(line["cell"] for line in lines))
    picked = f"stage_{key}"
    pick = alt.param(
        name=picked, value=cells[0], bind=alt.binding_select(options=cells, name=f"{key} of ")
    )
    chart = (
        alt.Chart(alt.InlineData(values=lines))
        .mark_line(point=True)
        .encode(
            x=alt.X("step:Q", title="step"),
            y=alt.Y("value:Q", title=axis).scale(zero=False),
            color=alt.Color("name:N", title=None).scale(scheme="category10"),
            strokeDash=alt.StrokeDash("name:N", title=None),
            tooltip=["step:Q", "name:N", "value:Q"],
        )
        .transform_filter(f"datum.cell === {picked}")
        .add_params(pick)
    )
    return _spec(chart, f"Training: {key} along the steps of a stage", height=260)


def _spec(chart: Any, described: str, height: int) -> Dict:
    made = chart.properties(width="container", height=height, description=described)
    spec: Dict = made.to_dict()
    return spec | {"config": CONFIG}
