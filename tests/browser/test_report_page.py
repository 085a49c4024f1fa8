"""The one page in a real browser: it sorts, filters, leads to records, and asks for nothing."""

import shutil
from collections.abc import Iterator

import pytest
from browsing import (
    SIZES,
    assert_controls_have_names,
    column,
    follow_a_number,
    opened,
    playwright,
)
from support.released_records import smoke_run

from atop.core.files import write_json
from atop.experiment import config, paths, presets
from atop.experiment.tables import table
from atop.reporting.report import authors_log
from atop.reporting.report.making import report
from atop.reporting.report.page import COLUMNS

RUN = smoke_run()

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the released records, as if two stages had logged and one had a reference."""
    out = tmp_path_factory.mktemp("page")
    results = shutil.copytree(RUN, out / "results")
    made = [table(name, presets.get("smoke")) for name in config.tables()]
    (one,) = (one for one in made if one.name == "table7")
    tuned, before = (one.cell(one.row(f"rt2-{which}")) for which in ("atop", "none"))
    assert tuned
    assert before
    other, losses = (
        [{"step": step, name: 0.1 * step} for step in range(1, 60)] for name in ("mae", "l1")
    )
    points = [{"step": step, "clean": 50.0, "fgsm": 9.0, "pgd-20": 8.0} for step in (0, 30, 60)]
    curve = {"n": 64, "points": points}
    for cell, more in ((before, {"history": other}), (tuned, {"history": losses, "curve": curve})):
        file = results / paths.purifier(presets.get("smoke"), cell).relative_to(paths.RESULTS)
        about = {"settings": {"budget": {"batch": 16}}} | more
        write_json(file.with_suffix(".json"), about)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(authors_log, "matches", lambda cell, _: cell == tuned)
        return report(tables=made, results=results, out=out).as_uri()


@pytest.fixture(
    params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join
)
def anywhere(
    browser: "playwright.Browser", address: str, request: pytest.FixtureRequest
) -> Iterator["playwright.Page"]:
    """The page on a desktop and on a phone, light and dark; whatever goes wrong fails the test."""
    size, scheme = request.param
    with opened(browser, address, size, scheme) as page:
        yield page


@pytest.fixture
def desktop(browser: "playwright.Browser", address: str) -> Iterator["playwright.Page"]:
    with opened(browser, address) as page:
        yield page


def test_it_fits_wherever_it_is_read(anywhere: "playwright.Page") -> None:
    wide, there = anywhere.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide == there
    back, text = anywhere.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    dark = anywhere.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (brightness(back) < 80 and brightness(text) > 200) == dark
    label = anywhere.locator(".chart svg text").first
    assert label.evaluate("one => getComputedStyle(one).fill") == text


def brightness(colour: str) -> float:
    """The mean of rgb(r, g, b)."""
    parts = colour.partition("(")[2].rstrip(")").split(",")
    return sum(float(part) for part in parts[:3]) / 3


@pytest.mark.parametrize("name", ["Measured", "Paper", "Difference", "n"])
def test_it_sorts_numbers_and_leaves_empty_cells_last(
    desktop: "playwright.Page", name: str
) -> None:
    desktop.get_by_role("combobox", name="Numbers a page").select_option("All")
    button = desktop.get_by_role("button", name=f"Sort by {name}", exact=True)
    for falling, word in enumerate(("ascending", "descending")):
        button.click()
        desktop.locator(f"#all-numbers th[aria-sort={word}]").wait_for()
        texts = column(desktop, COLUMNS.index(name) + 1)
        shown = [float(text.replace("\u2212", "-")) for text in texts if text]
        assert 30 < len(shown) < len(texts)
        assert all(texts[: len(shown)])
        assert shown == sorted(shown, reverse=bool(falling))


def test_it_filters_by_verdict(desktop: "playwright.Page") -> None:
    desktop.get_by_role("button", name="Filter by Verdict").click()
    desktop.locator(".dtcc-dropdown").get_by_text("not comparable", exact=True).click()
    desktop.keyboard.press("Escape")
    assert set(column(desktop, 9)) == {"not comparable"}
    assert "of 36 entries" in desktop.locator(".dt-info").first.inner_text()


def test_a_number_leads_to_its_record(desktop: "playwright.Page") -> None:
    assert "checkpoints: classifier" in follow_a_number(desktop)


def test_each_stage_shows_its_curves_and_only_those(desktop: "playwright.Page") -> None:
    accuracy, loss = (desktop.locator(f"#chart-curve-{number}") for number in (1, 2))
    assert names_in(accuracy) == ["clean", "fgsm", "pgd-20"]
    looks = accuracy.locator(".role-legend-symbol path").evaluate_all(
        "all => all.map(one => [one.getAttribute('fill'), one.getAttribute('d')])"
    )
    assert [len(set(each)) for each in zip(*looks, strict=True)] == [3, 3]  # colours and shapes
    dashes = accuracy.locator(".mark-line path").evaluate_all(
        "all => all.map(one => one.getAttribute('stroke-dasharray'))"
    )
    assert sorted(dashes) == ["1,0"] * 3 + ["4,3"] * 3  # measured here, and the authors' log
    assert accuracy.locator("option").count() == 1
    assert names_in(loss) == ["l1"]
    loss.locator("select").select_option(index=1)
    loss.get_by_text("mae").wait_for()
    assert names_in(loss) == ["mae"]


def names_in(chart: "playwright.Locator") -> list[str]:
    """The names of a chart's legend."""
    return chart.locator(".role-legend-label text").all_text_contents()  # type: ignore[no-any-return]


def test_outcomes_are_seen_without_scrolling(desktop: "playwright.Page") -> None:
    bottom = desktop.locator("#chart-outcomes svg").evaluate(
        "one => one.getBoundingClientRect().bottom"
    )
    assert bottom < SIZES["desktop"][1]


def test_every_control_has_a_name(desktop: "playwright.Page") -> None:
    assert_controls_have_names(desktop)


def test_without_scripts_all_numbers_are_there(browser: "playwright.Browser", address: str) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address)
    assert page.locator("#all-numbers tbody tr").count() > 500
    page.context.close()
