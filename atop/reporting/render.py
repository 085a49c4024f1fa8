"""Render a table as CSV, Markdown, LaTeX and a list of differences, all from the same frame.

atop/reporting/view.py decides what a page says; the templates decide how it looks.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from atop.core.files import writing
from atop.core.values import Dict
from atop.experiment.tables import Table
from atop.reporting import differences
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
# An underscore inside a word is not markup.
_MD = re.compile(r"[|*<\\]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def render(*, table: Table, results: Path, out: Path) -> list[Path]:
    """Write out/<name>.{csv,md,tex,diff.md} from <preset>/records in `results`; return the paths.

    Raises:
        AtopError: a record or the config is broken; a missing record is a footnote instead.
    """
    return write(table.name, [aggregate(table=table, results=results)], out)


def render_released(*, name: str, file: Path, out: Path) -> list[Path]:
    """Render a file of released records, with a section for each preset; it may be missing.

    Raises:
        AtopError: the file is broken.
    """
    content = released.read(file) if file.exists() else {}
    sections = released.sections(name, content)
    return write(name, [aggregate(table=table, results=content) for table in sections], out)


def write(name: str, aggregates: Sequence[Aggregate], out: Path) -> list[Path]:
    """Write out/<name>.{csv,md,tex,diff.md}, with a section for each aggregate."""
    frame = pd.concat([section.frame for section in aggregates])
    pages = [view(section) for section in aggregates]
    for page in pages[1:]:
        page["drawing"] = ""  # the drawing shows the first preset only
    texts = {
        "csv": frame.to_csv(index=False, lineterminator="\n"),
        "md": _filled("table.md.j2", pages),
        "tex": _filled("table.tex.j2", pages),
        "diff.md": _filled("diff.md.j2", [differences.view(section) for section in aggregates]),
    }
    paths = {suffix: out / f"{name}.{suffix}" for suffix in texts}
    for suffix, path in paths.items():
        with writing(path) as temporary:
            temporary.write_text(texts[suffix])
    return list(paths.values())


def escape_tex(text: object) -> str:
    """Return plain text as LaTeX: `code` in typewriter; long words such as paths may break."""
    parts = []
    for part, code in spans(str(text)):
        escaped = "".join(map(_tex_word, re.split(r"(\s+)", part)))
        parts.append(rf"\texttt{{{escaped}}}" if code else escaped)
    return "".join(parts)


def escape_md(text: object) -> str:
    """Return plain text for a Markdown table or list; `code` stays code."""
    return "".join(
        f"`{part}`" if code else _MD.sub(r"\\\g<0>", part) for part, code in spans(str(text))
    )


def spans(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text, and whether each is between backticks."""
    for i, part in enumerate(text.split("`")):
        if part:
            yield part, i % 2 == 1


def _tex_word(word: str) -> str:
    joints = "/-_" if len(word) > 24 else ""
    text = "".join(_TEX.get(c, c) + (r"\allowbreak{}" if c in joints else "") for c in word)
    return text.replace("--", "-{}-")


def _filled(name: str, pages: Sequence[Dict]) -> str:
    """Fill a template once a page; LaTeX has other delimiters, since it uses braces itself."""
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
    templates = environment(folder, keep_trailing_newline=True, **(delimiters if tex else {}))
    templates.filters["e"] = escape_tex if tex else escape_md
    template = templates.get_template(name)
    return "\n".join(map(template.render, pages))


def environment(folder: Path, **options: Any) -> jinja2.Environment:
    """Return the templates of a folder; an undefined name in a template is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
