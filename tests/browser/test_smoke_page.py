"""The page of the smoke preset, with all its figures: made if it is not there, then read."""

import pytest
from browsing import (
    assert_controls_have_names,
    column,
    follow_a_number,
    opened,
    playwright,
)
from support.smoke import snakemake

from atop.core.files import ROOT

pytestmark = [pytest.mark.full, pytest.mark.browser]
PICTURES = 7
"""Figures 3 to 9."""


@pytest.fixture(scope="module")
def address() -> str:
    snakemake("tables/smoke/report.html")
    return (ROOT / "tables" / "smoke" / "report.html").as_uri()


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_it_sorts_filters_and_leads_to_records(
    browser: "playwright.Browser", address: str, size: str, scheme: str
) -> None:
    with opened(browser, address, size, scheme) as page:
        page.get_by_role("button", name="Sort by Measured", exact=True).dblclick()
        page.locator("#all-numbers th[aria-sort=descending]").wait_for()
        shown = [float(text) for text in column(page, 5)]
        assert shown == sorted(shown, reverse=True)
        assert shown[0] > 80
        page.get_by_role("button", name="Filter by Table").click()
        page.locator(".dtcc-dropdown").get_by_text("Table 8", exact=True).click()
        page.keyboard.press("Escape")
        assert set(column(page, 1)) == {"Table 8"}
        assert "checkpoints: classifier" in follow_a_number(page)


def test_nothing_is_missing_or_unnamed(browser: "playwright.Browser", address: str) -> None:
    with opened(browser, address) as page:
        images = page.locator("figure img").evaluate_all(
            "all => all.map(one => [one.naturalWidth > 300, one.alt.length > 40])"
        )
        assert images == [[True, True]] * PICTURES
        broken = page.locator("a").evaluate_all(
            "all => all.map(one => one.getAttribute('href'))"
            ".filter(to => to[0] != '#' || !document.getElementById(to.slice(1)))"
        )
        assert broken == []
        split = page.get_by_text("images of the validation split")
        assert split.count() == 1
        assert_controls_have_names(page)
