"""The one page in the plan: after all tables and figures of its preset, each cell once."""

from checkout import Checkout

from atop import config
from atop.pictures import grids


def test_the_smoke_page(clean: Checkout) -> None:
    said = clean.plan("--", "tables/smoke/report.html")
    (made,) = said.of("page")
    assert made.outputs == ["tables/smoke/report.html"]
    names = set(config.tables()) - {"convergence"}
    assert {f"tables/smoke/{name}.csv" for name in names} <= set(made.inputs)
    assert {f"tables/smoke/{name}.png" for name in grids.names()} <= set(made.inputs)
    assert "tables/smoke/figure4.svg" in made.inputs
    assert "atop/report/templates/report.html.j2" in made.inputs
    tables = [job.wildcards["table"] for job in said.of("table")]
    assert sorted(tables) == sorted(names)


def test_the_papers_page_has_the_curves_too(clean: Checkout) -> None:
    (made,) = clean.plan("--", "tables/report.html").of("page")
    assert {"tables/convergence.csv", "tables/convergence.svg"} <= set(made.inputs)
