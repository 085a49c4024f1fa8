"""One browser for all tests of pages."""

from collections.abc import Iterator

import pytest
from browsing import CHROMIUM, playwright


@pytest.fixture(scope="session")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()
