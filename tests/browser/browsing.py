"""A page in headless Chromium, and what any reader of it would hold against it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[test]' has it")

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
CONTROLS = {"button", "link", "textbox", "searchbox", "combobox", "checkbox", "DisclosureTriangle"}


@contextmanager
def opened(
    browser: "playwright.Browser", address: str, size: str = "desktop", scheme: str = "light"
) -> Iterator["playwright.Page"]:
    """A page, drawn; whatever it says on the console or asks of a network fails the test."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text))
    page.on("pageerror", lambda one: said.append(str(one)))
    page.on("request", lambda one: said.append(one.url) if one.url != address else None)
    page.goto(address)
    page.locator(".dt-container").first.wait_for()
    page.locator(".chart svg").first.wait_for()
    yield page
    page.close()
    assert said == []


def column(page: "playwright.Page", place: int) -> list[str]:
    """The texts of a column of all numbers, as far as they are shown."""
    return page.locator(f"#all-numbers tbody td:nth-child({place})").all_inner_texts()  # type: ignore[no-any-return]


def follow_a_number(page: "playwright.Page") -> str:
    """Click on the first record that all numbers name; the text that then is seen."""
    link = page.locator("#all-numbers a.id").first
    record = page.locator(f"[id='{(link.get_attribute('href') or '').removeprefix('#')}']")
    assert not record.is_visible()
    link.click()
    record.wait_for(state="visible")
    return record.inner_text()  # type: ignore[no-any-return]


def assert_controls_have_names(page: "playwright.Page") -> None:
    """All that can be used has a name in the accessibility tree, in an open menu too."""
    page.get_by_role("button", name="Filter by Table").click()
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    found = [node for node in nodes if node.get("role", {}).get("value") in CONTROLS]
    assert len(found) > 100
    assert [node for node in found if not node["name"]["value"].strip()] == []
