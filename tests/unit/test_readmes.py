"""Pages that people read: the front page is short, and every relative link leads somewhere."""

import re
from pathlib import Path

import pytest

from atop.core.files import ROOT

FOLDERS = ("atop", "envs", "results", "tables", "tests", "workflow")
RENDERED = ROOT / "tables" / "released"
FOUND = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md")))
PAGES = [ROOT / "README.md", *(path for path in FOUND if RENDERED not in path.parents)]
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")


def test_the_front_page_is_short_and_begins_with_two_commands() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    # As .ci/run finds them.
    commands = [line for line in lines if line.startswith("python3 -m venv")]
    makes, tests = (command.rpartition(" && ")[2] for command in commands)
    assert makes.startswith("snakemake ")
    assert tests.startswith("pytest ")


def test_there_are_pages() -> None:
    assert len(PAGES) > 9
    assert {ROOT / folder / "README.md" for folder in FOLDERS} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(without_code(page)):
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if heading:
            assert heading in anchors(target), link


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What links may name in a page, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
