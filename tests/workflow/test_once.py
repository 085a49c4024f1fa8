"""No attack, training or download is done twice, by whatever names it is asked for.

Two jobs are the same if networks, settings and images are.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from support.checkout import Checkout, Job, Said

from atop.experiment import (
    config,
    paths,
    presets,
    weight_files,
)
from atop.experiment.cells import Cell
from atop.experiment.settings.inputs import CheckpointSpec
from atop.experiment.stages.evaluation import Evaluate
from atop.experiment.stages.finetuning import Pretrain, finetuning
from atop.experiment.stages.stage import networks
from atop.pipeline.checkpoints import download, hosts

pytestmark = pytest.mark.slow

EVERYTHING = {
    "paper": ["--config", "extras=true", "--", "all"],
    "native": ["--config", "extras=true", "--", "tables/native/report.html"],
    "smoke": ["--config", "extras=true", "--", "smoke", "tables/smoke/convergence.svg"],
}

# What is done twice all the same, by name.
ALIKE_WITHOUT_DRAWS = [
    # Without draws EOT averages over nothing, and both versions of AutoAttack begin alike, with the
    # smallest of their parts by far. Each chain keeps names of its own in the records.
    {"aa-linf-standard-1", "aa-linf-rand-1"},
    {"aa-l2-standard-1", "aa-l2-rand-1"},
    {"aa-l2-1-standard-1", "aa-l2-1-rand-1"},
    # The strict table's substitutes for exact gradients and fresh draws, which change nothing here.
    {"strict-pgd", "strict-pgd-logits", "strict-bpda", "strict-fixed"},
    # How they average over draws is all that tells them apart.
    {"strict-pgd-majority", "strict-pgd-all"},
]
# Figure 4's suite has a name of its own because preset smoke shortens it; it repeats no attack.
SAME_SUITE = {"aa_linf", "figure4"}


@pytest.fixture(scope="module", params=EVERYTHING)
def said(clean: Checkout, request: pytest.FixtureRequest) -> Said:
    """The plan of all that a preset has."""
    return clean.plan(*EVERYTHING[request.param])


def twice(named: Iterable[tuple[Any, str]]) -> list[set[str]]:
    """The names of each thing that has more than one."""
    names: dict[str, set[str]] = defaultdict(set)
    for thing, name in named:
        names[json.dumps(thing, sort_keys=True, default=str)].add(name)
    return [found for found in names.values() if len(found) > 1]


def of_cells(said: Said, rule: str) -> Iterator[tuple[Job, str, Cell]]:
    """Jobs about a cell, with preset and cell."""
    for job in said.of(rule):
        yield job, job.wildcards["preset"], Cell.parse(job.wildcards["cell"])


def test_a_file_has_one_job(said: Said) -> None:
    made = [name for job in said.jobs if "output" in job.facts for name in job.outputs]
    assert len(made) > 500
    assert len(set(made)) == len(made)


def test_an_attack_is_run_once(said: Said) -> None:
    named = []
    for job, preset, cell in of_cells(said, "attack"):
        attack = job.wildcards["attack"]
        named.append(([cell.id, budget(preset, cell, attack)], attack))
    assert len(named) > 200
    kept = ALIKE_WITHOUT_DRAWS
    assert [names for names in twice(named) if not any(names <= alike for alike in kept)] == []


def budget(preset: str, cell: Cell, attack: str) -> dict[str, Any]:
    """What an attack does on a cell. A set of more images holds those of a smaller one."""
    chosen = presets.get(preset)
    spec = chosen.attack(attack)
    row = {"through": "exact", "average": "loss", **spec.given()}
    row["pixels"] = chosen.pixels(spec, cell)
    if spec.after:
        row["after"] = budget(preset, cell, spec.after)
    if chosen.transform(cell).method == "none":  # no draws
        surrogates = {"fixed"} if cell.purifies else {"fixed", "bpda"}
        through = "exact" if row["through"] in surrogates else row["through"]
        row |= {"eot": 1, "judge": 1, "average": "loss", "through": through}
    return {key: value for key, value in row.items() if key not in ("scaled", "examples")}


def test_a_target_has_one_name(said: Said) -> None:
    attacked = of_cells(said, "attack")
    found = twice((target(preset, cell), cell.id) for _, preset, cell in attacked)
    assert [names for names in found if not all(map(bare, names))] == []


def bare(name: str) -> bool:
    """Whether it is f alone, perhaps behind some resizing, which preset paper has not.

    The controls without weights, their transform switched off, are. One attack each, without EOT.
    """
    cell = Cell.parse(name)
    return cell.undefended or (not cell.purifies and cell.ablation == "no_transform")


def target(preset: str, cell: Cell) -> list[Any]:
    """What is attacked: files, the transform, sizes and ranges of images."""
    chosen = presets.get(preset)
    sizes = chosen.sizes(cell).given()
    sizes["purifier"] = sizes["input"] if cell.undefended else sizes["purifier"]
    signed = cell.purifies and chosen.recipe(cell).classifier_range == "signed"
    transform = chosen.transform(cell)
    # Without holes, a purifier without weights has nothing to do.
    fill = cell.purifier if not cell.purifies and transform[0] != "none" else ""
    return [networks(chosen, cell), transform, sizes, signed, fill]


def test_a_network_is_trained_once(said: Said) -> None:
    rules = ("classifier", "pretrain", "finetune", "tune")
    jobs = [job for rule in rules for job in said.of(rule)]
    assert len(jobs) > 15
    assert twice(([job.rule, job.inputs, training(job)], job.outputs[0]) for job in jobs) == []


def training(job: Job) -> Any:
    """How a network is trained; what it starts from and learns from are inputs."""
    preset = presets.get(job.wildcards["preset"])
    if job.rule == "classifier":
        dataset, name = job.wildcards["dataset"], job.wildcards["classifier"]
        network = {**config.classifier(name).given(), "about": ""}
        return [network, preset.classifier_training(dataset, name).given()]
    if job.rule == "pretrain":
        return Pretrain.of(preset, job.wildcards["dataset"], job.wildcards["purifier"]).fingerprint
    cell = Cell.parse(job.wildcards["cell"])
    return [
        (cell.finetune, cell.seed, finetuning(preset, cell).budget.given()),
        preset.recipe(cell).given(),
        preset.transform(cell),
        preset.purifier(cell.purifier, cell.dataset).given(),
    ]


def test_a_file_is_downloaded_once(said: Said) -> None:
    files = [job.wildcards["file"] for job in said.of("checkpoint")]
    rows = [weight_files.row_of(paths.CHECKPOINTS / file) for file in files]
    # Rows of one address take turns at one place, and what the first has brought is there for all.
    assert twice((address(row), str(download.place_of(row))) for row in rows) == []
    sources = [config.dataset(job.wildcards["dataset"]).source for job in said.of("fetch")]
    assert len(set(sources)) == len(sources) >= 1


def address(row: CheckpointSpec) -> list[str | None]:
    """Where a file comes from: a folder of Google Drive has several."""
    return [hosts.link(row), row.member if row.google_drive_folder else ""]


def test_a_suite_is_judged_once(said: Said) -> None:
    named = []
    for job, preset, cell in of_cells(said, "evaluate"):
        suite, target = job.wildcards["suite"], job.wildcards["target"]
        stage = Evaluate(preset=presets.get(preset), cell=cell, suite=suite, target=target)
        named.append(([cell.id, target, stage.fingerprint], suite))
    assert [names for names in twice(named) if names != SAME_SUITE] == []
