"""LaTeX floats: none higher than a page, and nothing lost between them."""

from typing import Any

import pytest

from atop.reporting import latex_floats

CELL = {
    "value": "50.0", "interval": "[4, 6]", "sd": "sd 1.0", "repeats": "", "paper": "51",
    "verdict": "lower",
}  # fmt: skip

PAIR: dict[str, Any] = {"value": "1", "interval": "[0, 2]", "p": "", "more": []}


def panel(rows: int) -> dict[str, Any]:
    row = {"labels": [["RT1", "here small"], ["no"]], "quotes": ["1", "2"], "cells": [CELL] * 3}
    blocks = [{"heading": "", "rows": [row] * rows}]
    return {"columns": [["PGD", "Linf 8/255"]] * 3, "blocks": blocks}


def page(panels: list[dict[str, Any]], notes: int = 2, quotes: bool = False) -> dict[str, Any]:
    return {
        "panels": panels,
        "bars": None,
        "quotes": quotes,
        "spread": True,
        "repeats": False,
        "again": True,
        "summary": "One sentence.",
        "footnotes": [(1, "no record")],
        "notes": [(f"Note {i}", "word " * 60) for i in range(notes)],
        "budgets": [("PGD", "Linf 8/255")],
        "provenance": "Made today.",
    }


def heads(found: list[dict[str, Any]]) -> list[str]:
    texts = [sentence for one in found for paragraph in one["texts"] for sentence in paragraph]
    return [sentence["head"] for sentence in texts]


def test_what_fits_a_page_is_one_float() -> None:
    (found,) = latex_floats.of_table(page([panel(6)]))
    assert [part["kind"] for part in found["tables"]] == ["panel"]
    assert heads([found]) == ["A cell", "", "", "Note 0", "Note 1", "Attacks as run", ""]
    assert len(found["texts"]) == 4


@pytest.mark.parametrize(("rows", "expected"), [(3, 2), (6, 3), (10, 4)])
def test_panels_go_on_in_another_float(rows: int, expected: int) -> None:
    """A row takes five lines and a gap, the header two, the page sixty."""
    found = latex_floats.of_table(page([panel(rows) for _ in range(3)], notes=1))
    assert len(found) == expected
    assert sum(len(one["tables"]) for one in found) == 3
    for one in found:
        assert one["tables"] or one["texts"]
        assert sum(part["height"] for part in one["tables"]) <= latex_floats.LINES


def test_long_notes_go_on_too_and_none_is_lost() -> None:
    found = latex_floats.of_table(page([panel(8)], notes=40))
    assert len(found) > 2
    assert heads(found)[3:-2] == [f"Note {i}" for i in range(40)]


def test_a_list_may_go_on_in_another_float() -> None:
    items = [("word " * 200, "row")] * 20
    whole = {
        "pairs": [], "pair_notes": [], "findings": [{"name": "weak", "items": items}],
        "deviations": [],
    }  # fmt: skip
    found = latex_floats.of_pairs(whole)
    assert len(found) > 2
    assert heads(found) == ["Finding weak"] + [""] * 19


def test_quotations_are_a_table_of_their_own() -> None:
    (found,) = latex_floats.of_table(page([panel(3)], quotes=True))
    assert [part["kind"] for part in found["tables"]] == ["quotes", "panel"]


def test_pairs_findings_and_deviations() -> None:
    pair = {"first": "a", "second": "b", "cells": [PAIR]}
    items = [("text", "rows")]
    whole: dict[str, Any] = {
        "pairs": [{"columns": ["PGD"], "rows": [pair] * 4}],
        "pair_notes": ["Robustness: the gain."],
        "findings": [{"name": "weak", "items": items}],
        "deviations": [{"id": "B1", "topic": "loss"}],
    }
    (found,) = latex_floats.of_pairs(whole)
    assert [part["kind"] for part in found["tables"]] == ["pairs"]
    assert found["tables"][0]["height"] == 2 + 4 * (2 + latex_floats.GAP)
    assert found["texts"][0][0]["text"] == "Robustness: the gain"
    assert heads([found]) == ["", "Finding weak", "Differs from the paper or the authors' code in"]
    more = [["robustness 0.5", "[0, 1]", "(paper 1)"], ["majority 0", "[0, 0]"]]
    pair["cells"] = [PAIR, {**PAIR, "p": "p = 0.5", "more": more}]
    (found,) = latex_floats.of_pairs(whole)
    assert found["tables"][0]["height"] == 2 + 4 * (3 + 3 + 2 + latex_floats.GAP)
    nothing: dict[str, Any] = {key: [] for key in ("pairs", "pair_notes", "findings", "deviations")}
    assert latex_floats.of_pairs(nothing) == []
