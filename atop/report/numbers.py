"""Every number of every table as a line of one long table."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from atop import notes
from atop.aggregate import Aggregate
from atop.paper import title
from atop.report.records import slug
from atop.view import panels

Dict = dict[str, Any]


def lines(whole: Aggregate) -> Iterator[Dict]:
    """A table's numbers as texts, each with the `anchor` of its record if there is one.

    `order` holds what columns are sorted by, where the text itself will not do.
    """
    table = whole.table
    for line in whole.frame.to_dict("records"):
        row, column = table.row(line["row"]), table.column(line["column"])
        path, cell = table.record(row, column), table.cell(row, column)
        measured = not pd.isna(line["measured"])
        judged = measured and bool(line["paper"])
        yield {
            "table": title(table.name),
            "slug": table.name,
            "row": line["labels"],
            "column": line["column_label"],
            "dataset": cell.dataset if cell else table.spec["defaults"].get("dataset", ""),
            "measured": notes.plain(line["measured"]) if measured else "",
            "interval": notes.interval(line["low"], line["high"]) if measured else "",
            "paper": line["paper"],
            "difference": notes.signed(line["difference"]) if judged else "",
            "order": {
                "measured": _order(line["measured"]),
                "difference": _order(line["difference"]),
            },
            "verdict": line["verdict"],
            "n": line["n"] if measured else "",
            "cell": cell.id if cell else "",
            "anchor": slug(path) if path in whole.records else "",
            "reason": line["reason"],
        }


def link(whole: Aggregate, page: Dict) -> Dict:
    """The page of view.view with the `anchor` of its record in each cell, empty without one."""
    table = whole.table
    rows = sorted(table.rows, key=lambda row: (row.control, row.extra))  # as its blocks stand
    for columns, panel in zip(panels(table.columns), page["panels"], strict=True):
        shown = [row for block in panel["blocks"] for row in block["rows"]]
        for row, one in zip(rows, shown, strict=True):
            for column, cell in zip(columns, one["cells"], strict=True):
                path = table.record(row, column)
                cell["anchor"] = slug(path) if cell["value"] and path else ""
    return page


def _order(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.4f}"
