"""Figure 4 in the plan: drawn from a table's CSV, each cell once, nothing that is not at hand."""

from checkout import Checkout

SHAPES = [f"tables/smoke/figure4.{suffix}" for suffix in ("png", "pdf", "svg")]


def test_the_smoke_figure(clean: Checkout) -> None:
    said = clean.plan("--", "tables/smoke/figure4.png")
    (plot,) = said.of("plot")
    assert plot.outputs == SHAPES
    assert plot.inputs[0] == "tables/smoke/figure4.csv"
    assert {"atop/bars.py", "atop/figures/bars.py"} <= set(plot.inputs)
    cells = [job.wildcards["cell"] for job in said.of("finetune")]
    assert len(cells) == len(set(cells)) == 3 + 2 * 3 + 3  # L_org; clean, adversarial; before f_at
    assert sum("-clean-" in cell for cell in cells) == 3
    (trained,) = said.of("classifier")
    assert trained.wildcards["classifier"] == "resnet_small_at"
    assert not [cell for cell in cells if cell.startswith("imagenette")]
    assert len(said.of("evaluate")) == 2 * 11
    assert {job.wildcards["suite"] for job in said.of("evaluate")} == {"figure4", "table7"}


def test_the_papers_figure(clean: Checkout) -> None:
    said = clean.plan("--", "tables/figure4.pdf")
    trained = {
        (job.wildcards["dataset"], job.wildcards["classifier"]) for job in said.of("classifier")
    }
    assert trained == {
        ("cifar10", "resnet18"), ("cifar10", "resnet18_at"), ("imagenette", "resnet34"),
    }  # fmt: skip
    assert said.counts["evaluate"] == 2 * 18
    assert said.counts["plot"] == said.counts["table"] == 1


def test_the_native_figure_has_a_stand_in_for_each_network(clean: Checkout) -> None:
    said = clean.plan("--", "tables/native/figure4.svg")
    assert "resnet18_32_at" in {job.wildcards["classifier"] for job in said.of("classifier")}


def test_all_and_smoke_draw_it(clean: Checkout) -> None:
    for target, where in (("all", ""), ("smoke", "smoke/")):
        drawn = {output for job in clean.plan("--", target).of("plot") for output in job.outputs}
        assert f"tables/{where}figure4.png" in drawn
