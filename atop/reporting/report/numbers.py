"""All numbers of all tables as lines of one table, and links to their records."""

from collections.abc import Iterator

import pandas as pd

from atop.core.values import Dict
from atop.experiment.paper import title
from atop.reporting import notes
from atop.reporting.aggregate import Aggregate
from atop.reporting.report.records import anchors
from atop.reporting.view import panels


def lines(aggregate: Aggregate) -> Iterator[Dict]:
    """Yield a table's numbers as texts, with the `anchor` of the record if there is one.

    `order` has sort keys for columns whose texts do not sort as numbers.
    """
    table = aggregate.table
    for line in aggregate.frame.to_dict("records"):
        row, column = table.row(line["row"]), table.column(line["column"])
        cell = table.cell(row, column)
        measured = not pd.isna(line["measured"])
        judged = measured and bool(line["paper"])
        yield {
            "table": title(table.name),
            "slug": table.name,
            "row": line["labels"],
            "column": line["column_label"],
            "dataset": cell.dataset if cell else table.spec.defaults.dataset or "",
            "measured": notes.plain(line["measured"]) if measured else "",
            "interval": notes.interval(line["low"], line["high"]) if measured else "",
            "paper": line["paper"],
            "difference": notes.signed(line["difference"]) if judged else "",
            "order": {
                key: "" if pd.isna(line[key]) else f"{line[key]:.4f}"
                for key in ("measured", "difference")
            },
            "verdict": line["verdict"],
            "n": line["n"] if measured else "",
            "cell": cell.id if cell else "",
            "anchor": "".join(anchors(aggregate, row, [column])),
            "reason": line["reason"],
        }


def link(aggregate: Aggregate, page: Dict) -> Dict:
    """Add the `anchors` of records to the numbers and compared rows of a page of view.view."""
    table = aggregate.table
    for columns, panel in zip(panels(table.columns), page["panels"], strict=True):
        shown = [row for block in panel["blocks"] for row in block["rows"]]
        for row, texts in zip(table.rows, shown, strict=True):
            for column, cell in zip(columns, texts["cells"], strict=True):
                cell["anchors"] = anchors(aggregate, row, [column])
    for columns, panel in zip(panels(table.columns), page["pairs"], strict=False):  # or no pairs
        for keys, pair in zip(table.pairs, panel["rows"], strict=True):
            pair["anchors"] = [anchors(aggregate, table.row(key), columns) for key in keys]
    return page
