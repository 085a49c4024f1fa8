"""Every number of every table as a line of one long table."""

from collections.abc import Iterator

import pandas as pd

from atop.core.values import Dict
from atop.experiment.paper import title
from atop.reporting import notes
from atop.reporting.aggregate import Aggregate
from atop.reporting.report.records import anchors
from atop.reporting.view import panels


def lines(whole: Aggregate) -> Iterator[Dict]:
    """A table's numbers as texts, each with the `anchor` of its record if there is one.

    `order` holds what columns are sorted by, where the text itself will not do.
    """
    table = whole.table
    for line in whole.frame.to_dict("records"):
        row, column = table.row(line["row"]), table.column(line["column"])
        cell = table.cell(row, column)
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
            "anchor": "".join(anchors(whole, row, [column])),
            "reason": line["reason"],
        }


def link(whole: Aggregate, page: Dict) -> Dict:
    """The page of view.view, its numbers and compared rows with `anchors` of their records."""
    table = whole.table
    for columns, panel in zip(panels(table.columns), page["panels"], strict=True):
        shown = [row for block in panel["blocks"] for row in block["rows"]]
        for row, one in zip(table.rows, shown, strict=True):
            for column, cell in zip(columns, one["cells"], strict=True):
                cell["anchors"] = anchors(whole, row, [column])
    for columns, panel in zip(panels(table.columns), page["pairs"], strict=False):  # or no pairs
        for keys, pair in zip(table.pairs, panel["rows"], strict=True):
            pair["anchors"] = [anchors(whole, table.row(key), columns) for key in keys]
    return page


def _order(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.4f}"
