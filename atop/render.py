"""A table as CSV, Markdown, LaTeX and a list of differences, all from the same frame.

This file decides what is said; the templates decide how it looks.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from atop import config, diff, notes
from atop.aggregate import Aggregate, aggregate, row_name
from atop.files import writing

Dict = dict[str, Any]

MINUS = "\N{MINUS SIGN}"
_TEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": "$<$", ">": "$>$", "|": "$|$", '"': "''", "[": "{[}"},
    **{MINUS: "$-$", "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{MULTIPLICATION SIGN}": r"$\times$"},
}
# An underscore inside a word is no markup.
_MD = re.compile(r"[|*<\\]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def render(*, table: config.Table, results: Path, target: str, out: Path) -> list[Path]:
    """Write out/<name>.{csv,md,tex,diff.md}, each whole or not at all; return their paths.

    Args:
        table: under its preset.
        results: the folder that holds <preset>/records.
        target: what the attacks differentiate; picks the records.
        out: folder of the four files.

    Raises:
        AtopError: a broken record or config; a missing record is a footnote instead.
    """
    whole = aggregate(table=table, results=results, target=target)
    page = view(whole)
    texts = {
        "csv": whole.frame.to_csv(index=False, lineterminator="\n"),
        "md": _template("table.md.j2").render(page),
        "tex": _template("table.tex.j2").render(page),
        "diff.md": _template("diff.md.j2").render(diff.view(whole)),
    }
    written = []
    for suffix, text in texts.items():
        path = out / f"{table.name}.{suffix}"
        with writing(path) as temporary:
            temporary.write_text(text)
        written.append(path)
    return written


def view(whole: Aggregate) -> Dict:
    """What the templates of a table see: plain text and numbers already written out, no markup."""
    table, frame = whole.table, whole.frame
    footnotes: dict[str, int] = {}
    blocks = []
    for heading, control in (("", False), ("Controls, not in the paper", True)):
        rows = [
            {
                "labels": row.labels,
                "cells": [_cell(line, footnotes) for line in _lines(frame, row.key)],
            }
            for row in table.rows
            if row.control is control
        ]
        if rows:
            blocks.append({"heading": heading, "rows": rows})
    return {
        "name": notes.title(table.name),
        "key": f"{table.name}-{table.preset}",
        "preset": table.preset,
        "title": table.spec["title"],
        "caption": table.spec.get("caption", "").strip(),
        "summary": diff.summary(frame),
        "labels": table.spec["labels"],
        "columns": [_column(whole, column) for column in table.spec["columns"]],
        "blocks": blocks,
        "footnotes": [(number, reason) for reason, number in footnotes.items()],
        "notes": notes.notes(whole),
        "budgets": notes.budgets(frame),
        "pairs": _pairs(whole),
        "findings": notes.findings(whole),
        "deviations": whole.deviations,
        "provenance": notes.provenance(whole.records.values()),
    }


def escape_tex(text: object) -> str:
    """Plain text as LaTeX: `code` becomes typewriter, long words such as paths may break."""
    return "".join(
        rf"\texttt{{{_tex(part)}}}" if code else _tex(part) for part, code in _spans(str(text))
    )


def escape_md(text: object) -> str:
    """Plain text inside a Markdown table or list; `code` stays code."""
    return "".join(
        f"`{part}`" if code else _MD.sub(r"\\\g<0>", part) for part, code in _spans(str(text))
    )


def _spans(text: str) -> Iterator[tuple[str, bool]]:
    """Pieces of a text and whether they stand between backticks."""
    for i, part in enumerate(text.split("`")):
        if part:
            yield part, i % 2 == 1


def _tex(text: str) -> str:
    return "".join(_tex_word(word) for word in re.split(r"(\s+)", text))


def _tex_word(word: str) -> str:
    joints = "/-_" if len(word) > 24 else ""
    text = "".join(_TEX.get(c, c) + (r"\allowbreak{}" if c in joints else "") for c in word)
    return text.replace("--", "-{}-")


def _template(name: str) -> jinja2.Template:
    """A template; LaTeX has its own delimiters, because braces mean something there."""
    tex = ".tex." in name
    delimiters: Dict = {
        "block_start_string": "<%",
        "block_end_string": "%>",
        "variable_start_string": "<<",
        "variable_end_string": ">>",
        "comment_start_string": "<#",
        "comment_end_string": "#>",
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **(delimiters if tex else {}),
    )
    escape: Callable[[object], str] = escape_tex if tex else escape_md
    environment.filters["e"] = escape
    return environment.get_template(name)


def _lines(frame: pd.DataFrame, row: str) -> list[Dict]:
    return [dict(line) for line in frame[frame["row"] == row].to_dict("records")]  # type: ignore[arg-type]


def _cell(line: Dict, footnotes: dict[str, int]) -> Dict:
    """One cell: texts, empty where there is nothing to say, and the number of its footnote."""
    cell = {"paper": line["paper"], "verdict": line["verdict"], "note": None}
    cell |= {"value": "", "interval": "", "difference": ""}
    if pd.isna(line["measured"]):
        cell["note"] = footnotes.setdefault(line["reason"], len(footnotes) + 1)
        return cell
    cell["value"] = notes.plain(line["measured"])
    cell["interval"] = notes.interval(line["low"], line["high"])
    if line["paper"]:
        cell["difference"] = notes.signed(line["difference"])
    return cell


def _column(whole: Aggregate, column: Dict) -> Dict:
    """Header of a column: its label, its ball, and what a preset scaled down, as run."""
    run = notes.as_run(whole, column)
    ball = f"{run['norm']} {run.get('eps', 'without bound')}" if "norm" in run else ""
    scaled = ", ".join(
        f"here {run[key]} {key.replace('_', ' ')}" for key in run.get("scaled", {}) if key in run
    )
    return {"label": column["label"], "ball": ball, "scaled": scaled}


def _pairs(whole: Aggregate) -> list[Dict]:
    """Rows of the paired comparisons: two names and a cell per column."""
    found = []
    for (first, second), lines in whole.pairs.groupby(["first", "second"], sort=False):
        cells = []
        for line in lines.to_dict("records"):
            if line["reason"]:
                cells.append({"value": line["reason"], "interval": "", "p": ""})
                continue
            cells.append(
                {
                    "value": notes.signed(line["difference"]),
                    "interval": notes.interval(line["low"], line["high"]),
                    "p": notes.p_value(line["p"]),
                }
            )
        names = [row_name(whole.table, str(key)) for key in (first, second)]
        found.append({"first": names[0], "second": names[1], "cells": cells})
    return found
