"""What Snakemake plans: which jobs, on which cells, and what it refuses."""

from collections import Counter

import pytest
from support.checkout import HEADLINE, SMOKE, Checkout, Said

from atop.experiment import config, presets

TABLE7 = {"finetune": 8, "attack": 5, "evaluate": 13, "table": 1}
ATTACKS = {"fgsm", "pgd-10", "pgd-20", "pgd-1000", "cw-100"}


@pytest.fixture(scope="module")
def headline(clean: Checkout) -> Said:
    return clean.run("-n", "--cores", "all", "--resources", "gpu=1", "--", HEADLINE)


def cells(said: Said, rule: str) -> set[str]:
    return {job.wildcards["cell"] for job in said.of(rule)}


def test_headline(headline: Said) -> None:
    expected = {"fetch": 1, "device": 1, "checkpoint": 1, "classifier": 1, **TABLE7}
    assert headline.counts == expected


def test_headline_cells(headline: Said) -> None:
    words = Counter(cell.split("-")[5] for cell in cells(headline, "finetune"))
    assert words == {"none": 3, "adversarial": 4, "continued": 1}
    assert len(cells(headline, "evaluate")) == 13
    assert "cifar10-resnet18-undefended" in cells(headline, "evaluate")
    for control in ("identity", "grey_fill"):  # they need no training
        for transform in ("rt1", "rt2"):
            cell = f"cifar10-resnet18-{control}-none-{transform}-none-paper-s0"
            assert cell in cells(headline, "evaluate")


def test_adversarial_sets_are_shared(headline: Said) -> None:
    attacks = headline.of("attack")
    assert {job.wildcards["attack"] for job in attacks} == ATTACKS
    assert cells(headline, "attack") == {"cifar10-resnet18-undefended"}
    sets = {job.outputs[0] for job in attacks}
    for evaluation in headline.of("evaluate"):
        assert sets <= set(evaluation.inputs)


def test_every_gpu_job_waits_for_the_answer_about_the_gpu(headline: Said) -> None:
    trained = [job for rule in ("classifier", "finetune", "attack") for job in headline.of(rule)]
    assert len(trained) == 14
    assert all("results/paper/device" in job.inputs for job in trained)
    assert all("gpu=1" in job.facts["resources"] for job in trained + headline.of("evaluate"))


def test_target_defense_is_one_word(clean: Checkout) -> None:
    said = clean.plan("--config", "target=defense", "--", HEADLINE)
    assert said.counts["attack"] == 5 * 13
    sets = Counter((job.wildcards["cell"], job.wildcards["attack"]) for job in said.of("attack"))
    assert set(sets.values()) == {1}
    for job in said.of("evaluate"):
        cell = job.wildcards["cell"]
        attacked = {name.split("/")[3] for name in job.inputs if "/adversarial/" in name}
        assert attacked == {cell}


def test_init_scratch_pretrains(clean: Checkout) -> None:
    said = clean.plan("--config", "init=scratch", "--", HEADLINE)
    assert said.counts == {"fetch": 1, "device": 1, "pretrain": 1, "classifier": 1, **TABLE7}


@pytest.mark.slow
def test_checkpoint_in_the_preset_replaces_training(fresh: Checkout) -> None:
    row = {"checkpoints": {"cifar10": {"file": "my.pth"}}}
    fresh.change("presets/paper", {"classifiers": {"resnet18": row}})
    refused = fresh.plan("--", HEADLINE)
    assert refused.code != 0
    assert "my.pth" in refused.text
    (fresh.folder / "my.pth").touch()
    said = fresh.plan("--", HEADLINE)
    assert said.counts == {"fetch": 1, "device": 1, "checkpoint": 1, **TABLE7}
    assert all("my.pth" in job.inputs for job in said.of("attack"))


def test_smoke_downloads_nothing(clean: Checkout) -> None:
    said = clean.plan("--", SMOKE)
    assert said.counts == {"fetch": 1, **TABLE7}
    (fetch,) = said.of("fetch")
    assert fetch.wildcards["dataset"] == "cifar10_slice"
    assert config.dataset("cifar10_slice").source == "embedded"
    assert not any("gpu=1" in job.facts["resources"] for job in said.jobs)


def test_native(clean: Checkout) -> None:
    said = clean.plan("--", "tables/native/table7.md")
    assert said.counts == {"fetch": 1, "device": 1, "pretrain": 1, **TABLE7}
    assert cells(said, "attack") == {"cifar10-resnet18_32-undefended"}


@pytest.mark.slow
def test_all_is_every_table_of_the_paper(clean: Checkout) -> None:
    said = clean.plan()
    assert said.counts["table"] == len(config.tables())
    assert {job.outputs[2] for job in said.of("table")} == {
        f"tables/{name}.tex" for name in config.tables()
    }


def test_recipe_and_seed_change_the_cells(clean: Checkout) -> None:
    said = clean.plan("--config", "recipe=official", "seed=1", "--", SMOKE)
    assert said.counts == {"fetch": 1, **TABLE7, "finetune": 9}
    words = Counter(tuple(cell.split("-")[6:]) for cell in cells(said, "finetune"))
    # One row is about another recipe, whose L_org stage is that of recipe paper.
    assert words == {("official", "s1"): 7, ("minmax", "s1"): 1, ("paper", "s1"): 1}
    said = clean.plan("--config", "recipe=minmax", "--", SMOKE)
    assert said.counts == {"fetch": 1, **TABLE7, "finetune": 7, "evaluate": 12}
    words = Counter(tuple(cell.split("-")[5:7]) for cell in cells(said, "finetune"))
    assert words == {("none", "paper"): 3, ("adversarial", "minmax"): 3, ("continued", "paper"): 1}
    # Grey-box sets belong to the classifier, which neither word changes.
    assert cells(said, "attack") == {"cifar10_slice-resnet_small-undefended"}


@pytest.mark.parametrize(
    "target",
    [
        "tables/table77.tex",
        "tables/nonsense/table7.tex",
        "tables/paper/table7.tex",
        "results/smoke/records/nonsense/table7-classifier.json",
    ],
)
def test_refused_targets(clean: Checkout, target: str) -> None:
    said = clean.plan("--", target)
    assert said.code != 0
    assert not said.jobs
    assert target in said.text


def test_the_papers_numbers_are_never_an_output(clean: Checkout) -> None:
    said = clean.plan("-F", "--", "tables/paper/table7.csv")
    assert said.code != 0
    assert not said.jobs
    forced = clean.plan("-F", "--", HEADLINE, SMOKE)
    made = [name for job in forced.jobs for name in job.outputs]
    assert len(made) > 50
    assert not any(name.startswith("tables/paper") for name in made)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sed=1", ["'sed'", "known keys are", "seed"]),
        ("seed=x", ["seed", "'x'", "integer"]),
        ("init=nonsense", ["init=nonsense", "known are", "places2", "scratch"]),
        ("recipe=nonsense", ["nonsense", "official"]),
        ("target=nonsense", ["target", "nonsense", "defense"]),
    ],
)
def test_wrong_words_are_refused_before_planning(
    clean: Checkout, words: str, expected: list[str]
) -> None:
    said = clean.plan("--config", words, "--", SMOKE)
    assert said.code != 0
    assert "Building DAG" not in said.text
    (line,) = [line for line in said.text.splitlines() if ": " in line and expected[0] in line]
    assert all(word in line for word in expected)


def test_a_cell_that_no_preset_knows_is_refused(clean: Checkout) -> None:
    words = "cifar10-nonsense-deepfill-scratch-rt2-adversarial-paper-s0"
    said = clean.plan("--", f"results/smoke/records/{words}/table7-classifier.json")
    assert said.code != 0
    assert not said.jobs
    assert "classifiers.yaml: no 'nonsense'; known are " in said.text


def test_a_preset_without_the_stage_is_refused(clean: Checkout) -> None:
    said = clean.plan("--", "results/embedded/classifiers/cifar10-resnet18_at.safetensors")
    assert said.code != 0
    assert "presets/embedded.yaml: stages: no 'robust'; known are classifier, pretrain" in said.text


def test_a_purifier_with_weights_of_ones_own_is_a_file_and_rows(fresh: Checkout) -> None:
    source = "from atop.method.purifiers.deepfill import build, build_loss, load_public\n"
    fresh.write("atop/method/purifiers/mine.py", f'"""Mine."""\n\n{source}')
    weights = {"scratch": {"file": "workflow/resources/deepfill.safetensors"}}
    loss = {"discriminator_width": 8}
    row = {"options": {"width": 8}, "loss": loss, "checkpoints": weights}
    for preset in presets.names():
        fresh.change(f"presets/{preset}", {"purifiers": {"mine": row}})
    rows = [row.given() for row in config.table("table7").rows]
    cell = {"purifier": "mine", "init": "scratch", "transform": "rt2", "finetune": "adversarial"}
    mine = {"key": "mine", "labels": ["RT2", "mine"], "cell": cell}
    fresh.change("tables/table7", {"rows": [*rows, mine]})
    said = fresh.plan("--", SMOKE)
    name = "cifar10_slice-resnet_small-mine-scratch-rt2-adversarial-paper-s0"
    assert name in cells(said, "finetune")
    assert name in cells(said, "evaluate")
    assert said.counts["attack"] == 5
