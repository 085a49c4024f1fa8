"""Figures and the page in the plan: from what tables make anyway, each cell once."""

import pytest
from support.checkout import HEADLINE, SMOKE, Checkout, Said

from atop.experiment import config, image_grids

pytestmark = pytest.mark.slow

BARE = "results/smoke/adversarial/cifar10_slice-resnet_small-undefended/fgsm.safetensors"


def outputs(said: Said, *rules: str) -> set[str]:
    return {name for rule in rules for job in said.of(rule) for name in job.outputs}


def wildcards(said: Said, rule: str, name: str) -> list[str]:
    return [job.wildcards[name] for job in said.of(rule)]


@pytest.fixture(scope="module")
def third(clean: Checkout) -> Said:
    return clean.plan("--", "tables/smoke/figure3.png")


def test_the_smoke_bars(clean: Checkout) -> None:
    said = clean.plan("--", "tables/smoke/figure4.png")
    (plot,) = said.of("plot")
    assert plot.outputs == [f"tables/smoke/figure4.{ending}" for ending in ("png", "pdf", "svg")]
    assert plot.inputs[0] == "tables/smoke/figure4.csv"
    assert "atop/reporting/figures/bars.py" in plot.inputs
    cells = wildcards(said, "finetune", "cell")
    assert len(cells) == len(set(cells)) == 3 + 2 * 3 + 3  # L_org; clean, adversarial; before f_at
    assert sum("-clean-" in cell for cell in cells) == 3
    assert wildcards(said, "classifier", "classifier") == ["resnet_small_at"]
    assert not [cell for cell in cells if cell.startswith("imagenette")]
    assert len(said.of("evaluate")) == 2 * 11
    assert set(wildcards(said, "evaluate", "suite")) == {"figure4", "table7"}


def test_the_bars_of_other_presets(clean: Checkout) -> None:
    said = clean.plan("--", "tables/figure4.pdf")
    names = ("cifar10-resnet18", "cifar10-resnet18_at", "imagenette-resnet34")
    weights = {f"results/paper/classifiers/{name}.safetensors" for name in names}
    assert {job.outputs[0] for job in said.of("classifier")} == weights
    assert said.counts["evaluate"] == 2 * 18
    assert said.counts["plot"] == said.counts["table"] == 1
    native = clean.plan("--", "tables/native/figure4.svg")
    assert "resnet18_32_at" in wildcards(native, "classifier", "classifier")


def test_a_grid_takes_the_networks_and_the_set_of_table_7(clean: Checkout, third: Said) -> None:
    assert third.counts == {"fetch": 1, "finetune": 6, "attack": 1, "images": 6, "draw": 1}
    both = clean.plan("--", SMOKE, "tables/smoke/figure3.png")
    assert both.counts == {**clean.plan("--", SMOKE).counts, "images": 6, "draw": 1}


def test_images_are_traced_from_the_set_that_the_records_judge(third: Said) -> None:
    for job in third.of("images"):
        assert BARE in job.inputs
        cell = job.wildcards["cell"]
        assert job.outputs[0] == f"results/smoke/images/{cell}/fgsm.npz"
        weights = [name for name in job.inputs if "/purifiers/" in name]
        transform, finetune = cell.split("-")[4:6]
        assert [f"-{transform}-{finetune}-" in name for name in weights] == [True]


def test_all_grids_together_store_each_cell_once(clean: Checkout) -> None:
    names = sorted(image_grids.names())
    said = clean.plan("--", *(f"tables/smoke/{name}.svg" for name in names))
    assert said.counts["images"] == 6
    assert sorted(wildcards(said, "draw", "figure")) == names


def test_the_paper_preset_shows_both_datasets_and_waits_for_the_gpu(clean: Checkout) -> None:
    said = clean.plan("--resources", "gpu=1", "--", "tables/figure5.pdf")
    data = [cell.split("-")[0] for cell in wildcards(said, "images", "cell")]
    assert sorted(data) == ["cifar10", "imagenette"]
    for job in said.of("images"):
        assert "results/paper/device" in job.inputs
        assert "gpu=1" in job.facts["resources"]
    both = clean.plan("--", HEADLINE, "tables/figure5.pdf")
    assert both.counts["attack"] == 5 + 1  # ImageNette's


def test_a_seed_changes_the_cells(clean: Checkout) -> None:
    said = clean.plan("--config", "seed=1", "--", "tables/smoke/figure5.png")
    assert {cell.split("-")[-1] for cell in wildcards(said, "images", "cell")} == {"s1"}


def test_a_grid_that_cannot_be_laid_out_is_refused(fresh: Checkout) -> None:
    fresh.change("image_grids", {"images": 1})
    said = fresh.plan("--", SMOKE)
    assert said.code != 0
    assert "Building DAG" not in said.text
    assert "figures.figure3.positions: 1 images are stored" in said.text


def test_an_unknown_figure_is_no_target(clean: Checkout) -> None:
    said = clean.plan("--", "tables/smoke/figure2.png")
    assert said.code != 0
    assert not said.jobs


@pytest.mark.parametrize(("where", "slow"), [("", set()), ("smoke/", {"convergence"})])
def test_the_page_takes_tables_and_figures(clean: Checkout, where: str, slow: set[str]) -> None:
    said = clean.plan("--", f"tables/{where}report.html")
    (page,) = said.of("page")
    names, made = set(config.tables()) - slow, set(page.inputs)
    assert {f"tables/{where}{name}.csv" for name in names} <= made
    assert {f"tables/{where}{name}.png" for name in image_grids.names()} <= made
    assert {f"tables/{where}{name}.svg" for name in names & {"figure4", "convergence"}} <= made
    assert "atop/reporting/report/templates/report.html.j2" in made
    assert sorted(wildcards(said, "table", "table")) == sorted(names)


def test_all_and_smoke_draw_everything(clean: Checkout) -> None:
    for target, where in (("all", ""), ("smoke", "smoke/")):
        drawn = outputs(clean.plan("--", target), "plot", "draw")
        assert {f"tables/{where}{name}.png" for name in ("figure4", *image_grids.names())} <= drawn
