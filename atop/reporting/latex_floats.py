r"""How a table divides over LaTeX floats, none of which may be higher than a page.

LaTeX cuts off what is too high, so heights are estimated beforehand, in lines of \scriptsize.
"""

from collections.abc import Callable, Iterable, Iterator
from math import ceil

from atop.core.values import Dict

Sentence = Dict
"""A `text` after a `head` in italics or a footnote's `mark`."""

LINES = 60
"""Of a page under its caption."""
CHARACTERS = 105
"""Of a line."""
GAP = 0.5
"""Between rows."""
HEADER = 8
"""Of a table that is divided: its column heads, at most, and the lines around them."""
AXES = 17.0
"""Of one panel of a figure."""


REPEATS = "repeats, where an attack that goes on from another changed no outcome"


def of_table(page: Dict) -> list[Dict]:
    """The floats of a table: each some `tables`, then some paragraphs of sentences, `texts`.

    Args:
        page: what view.view says of the table.
    """
    tables = [
        _part("panel", part, _panel_height(part))
        for panel in page["panels"]
        for part in _panel_parts(panel)
    ]
    if page["bars"]:
        tables = [_part("bars", page["bars"], AXES * len(page["bars"].panels) + 2)]
    if page["quotes"]:
        first = page["panels"][0]
        rows = [row for block in first["blocks"] for row in block["rows"]]
        height = sum(max(_stack(row["labels"]), len(row["quotes"])) + GAP for row in rows)
        tables.insert(0, _part("quotes", first, height))
    budgets = _list("Attacks as run", [f"{label}: {text}" for label, text in page["budgets"]])
    return _pack(
        tables,
        [
            [_legend(page), _sentence(page["summary"])],
            [_sentence(text, mark=number) for number, text in page["footnotes"]],
            [*(_sentence(text, head=head) for head, text in page["notes"]), *budgets],
            [_sentence(page["provenance"])] if page["provenance"] else [],
        ],
    )


def of_pairs(page: Dict) -> list[Dict]:
    """The floats of the paired comparisons, findings and deviations; none where there are none."""
    tables = []
    for panel in page["pairs"]:
        for rows in _pages(panel["rows"], _pair_height):
            height = 2 + sum(map(_pair_height, rows))
            tables.append(_part("pairs", {**panel, "rows": rows}, height))
    legend = [_sentence(text) for text in page["pair_notes"]]
    findings = [
        _list(f"Finding {one['name']}", [f"{rows}: {text}" for text, rows in one["items"]])
        for one in page["findings"]
    ]
    told = "; ".join(f"{one['id']} {one['topic']}" for one in page["deviations"])
    head = "Differs from the paper or the authors' code in"
    return _pack(tables, [legend, *findings, [_sentence(told, head=head)] if told else []])


def _pack(parts: list[Dict], paragraphs: Iterable[list[Sentence]]) -> list[Dict]:
    """Fill floats in order, tables first."""
    floats: list[Dict] = []
    room = 0.0

    def take(height: float) -> Dict:
        nonlocal room
        if not floats or height > room:
            floats.append({"tables": [], "texts": []})
            room = LINES
        room -= height
        return floats[-1]

    for part in parts:
        take(part["height"] + 1)["tables"].append(part)
    for paragraph in paragraphs:
        last = None
        for sentence in paragraph:
            float_ = take(ceil(len(sentence["head"] + sentence["text"]) / CHARACTERS))
            if float_ is not last:
                float_["texts"].append([])
            float_["texts"][-1].append(sentence)
            last = float_
    return floats


def _legend(page: Dict) -> Sentence:
    if page["bars"]:
        return _sentence(page["bars"].legend, head="Bars")
    parts = ["measured accuracy in percent", "its 95% interval"]
    if page["spread"]:
        parts.append("sd, the standard deviation over draws of the accuracy of one draw")
    if page["repeats"]:
        parts.append(REPEATS)
    if page["again"]:
        parts.append("the paper's number and in brackets measured minus paper in points")
        parts.append("the verdict")
    return _sentence(", ".join(parts), head="A cell")


def _pages(rows: list[Dict], height: Callable[[Dict], float]) -> Iterator[list[Dict]]:
    """Rows in as many parts as keep each within a page."""
    part: list[Dict] = []
    for row in rows:
        if part and sum(map(height, [*part, row])) > LINES - HEADER:
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def _panel_parts(panel: Dict) -> Iterator[Dict]:
    """A panel, or where it is higher than a page its blocks, each in parts."""
    if _panel_height(panel) <= LINES:
        yield panel
        return
    for block in panel["blocks"]:
        for rows in _pages(block["rows"], _row_height):
            yield {**panel, "blocks": [{**block, "rows": rows}]}


def _row_height(row: Dict) -> float:
    return max([_stack(row["labels"]), *map(_lines, row["cells"])]) + GAP


def _pair_height(row: Dict) -> float:
    return max([2, *map(_pair_lines, row["cells"])]) + GAP


def _part(kind: str, content: Dict, height: float) -> Dict:
    return {"kind": kind, "content": content, "height": height}


def _sentence(text: str, *, head: str = "", mark: int | str = "") -> Sentence:
    return {"mark": mark, "head": head, "text": text.rstrip(".")}


def _list(head: str, texts: list[str]) -> list[Sentence]:
    """Sentences of their own, so that a float may end between them."""
    return [_sentence(text, head="" if i else head) for i, text in enumerate(texts)]


def _panel_height(panel: Dict) -> float:
    height = _stack(panel["columns"]) + 1.0
    for block in panel["blocks"]:
        height += 1 + GAP
        for row in block["rows"]:
            height += _row_height(row)
    return height


def _stack(cells: list[list[str]]) -> int:
    return max(map(len, cells))


def _lines(cell: Dict) -> int:
    """Lines of a cell: number, interval, spread, what it repeats, paper, verdict."""
    if not cell["value"]:
        return 1 + bool(cell["paper"])
    return 2 + bool(cell["sd"]) + bool(cell["repeats"]) + 2 * bool(cell["paper"])


def _pair_lines(cell: Dict) -> int:
    """Lines of a cell of the pairs: number, interval, p, and each part of what more it says."""
    return 1 + bool(cell["interval"]) + bool(cell["p"]) + sum(map(len, cell["more"]))
