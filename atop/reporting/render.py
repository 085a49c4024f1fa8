"""A table as CSV, Markdown, LaTeX and a list of differences, all from the same frame.

atop/reporting/view.py decides what is said; the templates decide how it looks.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from atop.core.files import writing
from atop.core.values import Dict
from atop.experiment.tables import Table
from atop.reporting import differences as diff
from atop.reporting.aggregate import Aggregate, aggregate
from atop.reporting.view import view
from atop.results import released

MINUS = "\N{MINUS SIGN}"
_TEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": "$<$", ">": "$>$", "|": "$|$", '"': "''", "[": "{[}"},
    **{MINUS: "$-$", "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{MULTIPLICATION SIGN}": r"$\times$"},
}
# An underscore inside a word is no markup.
_MD = re.compile(r"[|*<\\]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def render(*, table: Table, results: Path, out: Path) -> list[Path]:
    """Write out/<name>.{csv,md,tex,diff.md}, each whole or not at all; return their paths.

    Args:
        table: under its preset.
        results: the folder that holds <preset>/records.
        out: folder of the four files.

    Raises:
        AtopError: a broken record or config; a missing record is a footnote instead.
    """
    return _write(table.name, [aggregate(table=table, results=results)], out)


def render_released(*, name: str, file: Path, out: Path) -> list[Path]:
    """The same of a file of released records, which need not be there: a section for each preset.

    Raises:
        AtopError: a broken file.
    """
    content = released.read(file) if file.exists() else {}
    shown = released.sections(name, content)
    return _write(name, [aggregate(table=table, results=content) for table in shown], out)


def _write(name: str, wholes: Sequence[Aggregate], out: Path) -> list[Path]:
    frame = pd.concat([whole.frame for whole in wholes])
    pages, differences = [view(whole) for whole in wholes], [diff.view(whole) for whole in wholes]
    for page in pages[1:]:
        page["drawing"] = ""  # that of the first preset
    texts = {
        "csv": frame.to_csv(index=False, lineterminator="\n"),
        "md": "\n".join(_template("table.md.j2").render(page) for page in pages),
        "tex": "\n".join(_template("table.tex.j2").render(page) for page in pages),
        "diff.md": "\n".join(_template("diff.md.j2").render(page) for page in differences),
    }
    written = []
    for suffix, text in texts.items():
        path = out / f"{name}.{suffix}"
        with writing(path) as temporary:
            temporary.write_text(text)
        written.append(path)
    return written


def escape_tex(text: object) -> str:
    """Plain text as LaTeX: `code` becomes typewriter, long words such as paths may break."""
    return "".join(
        rf"\texttt{{{_tex(part)}}}" if code else _tex(part) for part, code in spans(str(text))
    )


def escape_md(text: object) -> str:
    """Plain text inside a Markdown table or list; `code` stays code."""
    return "".join(
        f"`{part}`" if code else _MD.sub(r"\\\g<0>", part) for part, code in spans(str(text))
    )


def spans(text: str) -> Iterator[tuple[str, bool]]:
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
    folder = Path(__file__).parent / "templates"
    made = environment(folder, keep_trailing_newline=True, **(delimiters if tex else {}))
    escape: Callable[[object], str] = escape_tex if tex else escape_md
    made.filters["e"] = escape
    return made.get_template(name)


def environment(folder: Path, **options: Any) -> jinja2.Environment:
    """Templates of a folder, in which a name that nobody gave is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
