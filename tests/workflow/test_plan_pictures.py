"""Picture grids: they ask for what Table 7 makes anyway, and train nothing of their own."""

import pytest
from checkout import HEADLINE, SMOKE, Checkout, Said

FIGURES = ("figure3", "figure5", "figure6", "figure7", "figure8", "figure9")
BARE = "results/smoke/adversarial/cifar10_slice-resnet_small-undefended/fgsm.safetensors"


def outputs(said: Said, *rules: str) -> set[str]:
    return {name for rule in rules for job in said.of(rule) for name in job.outputs}


@pytest.fixture(scope="module")
def smoke(clean: Checkout) -> Said:
    return clean.plan("--", "tables/smoke/figure3.png")


def test_a_figure_takes_the_networks_and_the_set_of_table_7(clean: Checkout, smoke: Said) -> None:
    assert smoke.counts == {"fetch": 1, "finetune": 6, "attack": 1, "pictures": 6, "draw": 1}
    shared = ("fetch", "finetune", "attack")
    table = clean.plan("--", SMOKE)
    assert outputs(smoke, *shared) < outputs(table, *shared)
    both = clean.plan("--", SMOKE, "tables/smoke/figure3.png")
    assert both.counts == {**table.counts, "pictures": 6, "draw": 1}


def test_pictures_are_made_from_the_set_that_the_records_judge(smoke: Said) -> None:
    for job in smoke.of("pictures"):
        assert BARE in job.inputs
        cell = job.wildcards["cell"]
        assert job.outputs[0] == f"results/smoke/pictures/{cell}/fgsm.npz"
        weights = [name for name in job.inputs if "/purifiers/" in name]
        transform, finetune = cell.split("-")[4:6]
        assert [f"-{transform}-{finetune}-" in name for name in weights] == [True]


def test_all_figures_together_store_each_cell_once(clean: Checkout) -> None:
    said = clean.plan("--", *(f"tables/smoke/{name}.svg" for name in FIGURES))
    assert said.counts["pictures"] == 6
    assert said.counts["draw"] == len(FIGURES)
    assert {job.outputs[0] for job in said.of("draw")} == {
        f"tables/smoke/{name}.png" for name in FIGURES
    }


def test_the_paper_preset_shows_both_datasets_and_waits_for_the_gpu(clean: Checkout) -> None:
    said = clean.plan("--resources", "gpu=1", "--", "tables/figure5.pdf")
    assert [job.wildcards["cell"].split("-")[0] for job in said.of("pictures")] in (
        ["imagenette", "cifar10"], ["cifar10", "imagenette"],
    )  # fmt: skip
    for job in said.of("pictures"):
        assert "results/paper/device" in job.inputs
        assert "gpu=1" in job.facts["resources"]
    both = clean.plan("--", HEADLINE, "tables/figure5.pdf")
    assert both.counts["attack"] == 5 + 1  # ImageNette's


def test_a_seed_changes_the_cells(clean: Checkout) -> None:
    said = clean.plan("--config", "seed=1", "--", "tables/smoke/figure5.png")
    assert {job.wildcards["cell"].split("-")[-1] for job in said.of("pictures")} == {"s1"}


def test_a_grid_that_cannot_be_laid_out_is_refused(fresh: Checkout) -> None:
    fresh.change("pictures", {"pictures": 1})
    said = fresh.plan("--", SMOKE)
    assert said.code != 0
    assert "Building DAG" not in said.text
    assert "figures.figure3.positions: 1 pictures are kept" in said.text


def test_an_unknown_figure_is_no_target(clean: Checkout) -> None:
    said = clean.plan("--", "tables/smoke/figure2.png")
    assert said.code != 0
    assert not said.jobs
