"""The field's words, everywhere that a reader looks: retired ones do not come back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from atop.core.files import ROOT

SOURCES = sorted(ROOT.glob("atop/**/*.py"))
PAGES = sorted(
    path
    for pattern in (
        "Snakefile", "*.md", "workflow/**/*.smk", "workflow/**/*.md", "workflow/**/*.yaml",
        "workflow/**/*.rst", "workflow/**/*.j2", "atop/**/*.j2", "atop/**/*.md", "*/README.md",
        "results/benchmarks/README.md",
    )
    for path in ROOT.glob(pattern)
)  # fmt: skip

RETIRED = {
    r"pictures?": "image",
    r"victims?": "target",
    r"siege|standings?": "AttackRunner, CandidateScore",
    r"rightly": "correctly",
    r"slopes?": "EOT gradient",
    r"verbs?": "command",
    r"obstacles?": "reason",
    r"holdings|zoo": "inventory, RobustBench models",
    r"stand[-_ ]?ins?|stands? in": "substitute",
    r"held[-_ ]out": "validation split",
    r"at[-_ ]hand": "available",
    r"ledger": "deviations",
    r"bundles?": "archives",
    r"tells?|telling|told": "format, label, caption, summary; says",
}
"""By what takes its place. Words are parts of names, too: `all_pictures`, `PictureGrid`."""

KEPT = re.compile(r"""["'`](victim|pictures)["'`]|model_zoo|\.tell\(|\b(dt|javascript)_bundle\b""")
"""Keys of records, of metadata and of calibrations never change; libraries have names of theirs."""

NAMES = {
    "account", "few", "found", "lacks", "look", "looks", "made", "one", "right", "said", "told",
    "verb", "whole", "words",
}  # fmt: skip
"""Of nothing: a variable has the name of what it holds."""


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Names that a file gives to variables, arguments, functions and classes, with their lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Docstrings of a file with the lines on which they begin."""
    for node in ast.walk(ast.parse(path.read_text())):
        body = getattr(node, "body", None)
        for child in body if isinstance(body, list) else ():
            value = getattr(child, "value", None)
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield child.lineno, value.value


def test_words_are_the_fields() -> None:
    word = re.compile("|".join(rf"(?P<w{k}>{one})" for k, one in enumerate(RETIRED)), re.IGNORECASE)
    better = list(RETIRED.values())
    wrong = []
    for path in [*SOURCES, *PAGES]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", KEPT.sub("", line))
            for match in re.finditer(rf"(?<![a-zA-Z])(?:{word.pattern})(?![a-zA-Z])", spaced, re.I):
                instead = better[int((match.lastgroup or "w0")[1:])]
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}: {instead}")
    assert not wrong, "\n".join(wrong)


def test_names_say_what_they_hold() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in SOURCES
        for line, name in names(path)
        if name.strip("_") in NAMES
    ]
    assert not wrong, "\n".join(wrong)


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in SOURCES
        for line, text in docstrings(path)
        if re.match(r"(What|Where|How|Which|Who|Why|That|Of|If)\b", text)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "bad", ["siege = AttackRunner()", "class PictureGrid: ...", "x = all_pictures"]
)
def test_the_search_sees_parts_of_names(bad: str) -> None:
    pattern = "|".join(RETIRED)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", bad)
    assert re.search(rf"(?<![a-zA-Z])(?:{pattern})(?![a-zA-Z])", spaced, re.IGNORECASE)
