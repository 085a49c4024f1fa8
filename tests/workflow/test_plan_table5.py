"""Table 5 in full: two purifiers, with and without AToP, on two datasets, each from its start."""

from itertools import product

import pytest
from support.checkout import Checkout, Said

from atop.experiment.cells import Cell

pytestmark = pytest.mark.slow

BOTH, SLICE = ("cifar10", "cifar100"), ("cifar10_slice",)
PUBLIC = {"dmae-base.pth", "deepfill-places2.pth"}
PURIFIERS = {"dmae": ("imagenet", "tokens"), "deepfill": ("places2", "rt2")}
SUITES = {"cifar10": "table5", "cifar100": "aa_linf", "cifar10_slice": "table5"}


def cells(datasets: tuple[str, ...], classifier: str, *, scratch: bool) -> set[tuple[str, str]]:
    """The cells of the table's numbered rows, each with its suite."""
    found = set()
    for dataset, name, finetune in product(datasets, PURIFIERS, ("none", "adversarial")):
        init, transform = PURIFIERS[name]
        init = "scratch" if scratch else init
        cell = f"{dataset}-{classifier}-{name}-{init}-{transform}-{finetune}-paper-s0"
        found.add((cell, SUITES[dataset]))
    return found


def evaluated(said: Said) -> set[tuple[str, str]]:
    """Cells and suites of the records of purifiers with weights; the others are controls."""
    places = [job.outputs[0].split("/")[-2:] for job in said.of("evaluate")]
    return {
        (cell, name.removesuffix("-defense.json"))
        for cell, name in places
        if Cell.parse(cell).purifies
    }


def trained(expected: set[tuple[str, str]]) -> set[str]:
    """Weights behind cells: all that L_org makes belong to any classifier."""
    found = set()
    for cell, _ in expected:
        dataset, _, *others = cell.split("-")
        found.add(cell if "adversarial" in others else "-".join((dataset, "any", *others)))
    return found


SCRATCH = ("--config", "init=scratch")
PRETRAINED = "results/{}/pretrained/cifar10-dmae.safetensors"


@pytest.mark.parametrize(
    ("words", "table", "datasets", "classifier", "start"),
    [
        ((), "table5", BOTH, "wrn28_10", "results/checkpoints/dmae-base.pth"),
        (SCRATCH, "table5", BOTH, "wrn28_10", PRETRAINED.format("paper")),
        ((), "native/table5", BOTH, "resnet18_32", PRETRAINED.format("native")),
        ((), "smoke/table5", SLICE, "resnet_small", "workflow/resources/dmae.safetensors"),
    ],
)
def test_every_number_has_its_cell_and_every_cell_its_start(
    clean: Checkout,
    words: tuple[str, ...],
    table: str,
    datasets: tuple[str, ...],
    classifier: str,
    start: str,
) -> None:
    said = clean.plan(*words, "--", f"tables/{table}.md")
    public = "checkpoints" in start
    expected = cells(datasets, classifier, scratch=not public)
    assert evaluated(said) == expected
    assert {job.wildcards["cell"] for job in said.of("finetune")} == trained(expected)

    made = {(job.wildcards["dataset"], job.wildcards["purifier"]) for job in said.of("pretrain")}
    assert made == (set(product(BOTH, PURIFIERS)) if "pretrained" in start else set())
    files = {job.wildcards["file"] for job in said.of("checkpoint")} & PUBLIC
    assert files == (PUBLIC if public else set())
    (first,) = [
        job for job in said.of("finetune")
        if job.wildcards["cell"].startswith(f"{datasets[0]}-any-dmae-")
    ]  # fmt: skip
    assert start in first.inputs


def test_dmae_has_its_row_in_the_strict_table(clean: Checkout) -> None:
    expected = {
        "strict": "cifar10-wrn28_10-dmae-imagenet-tokens-adversarial-paper-s0",
        "smoke/strict": "cifar10_slice-resnet_small-dmae-scratch-tokens-adversarial-paper-s0",
    }
    for table, cell in expected.items():
        (job,) = clean.plan("--", f"tables/{table}.md").of("table")
        (record,) = [name for name in job.inputs if "-dmae-" in name and "/records/" in name]
        assert record.split("/")[-2:] == [cell, "strict-defense.json"]
