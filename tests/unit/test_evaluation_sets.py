"""The images and adversarial sets that an evaluation takes: which, how many, of what size."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.small_evaluation import BARE, CELL, CPU, PLACES, Change, N, predictions, prepare, run

from atop.core.errors import AtopError
from atop.core.files import sha256
from atop.data.dataset import Split
from atop.experiment import paths, presets
from atop.experiment.stages.attack import Attack
from atop.experiment.stages.evaluation import Evaluate
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.evaluation import evaluate
from atop.results import records


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


def test_the_images_are_the_first_of_a_fixed_choice(small: Change) -> None:
    chosen = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    assert chosen.index.tolist() == PLACES
    test = assemble.dataset("cifar10_slice").test
    by_place = {int(i): picture for i, picture in zip(test.index, test.images, strict=True)}
    for place, picture in zip(PLACES, chosen.images, strict=True):
        assert torch.equal(by_place[place], picture)
    small("presets/smoke", {"evaluation": {"n": 513}})
    with pytest.raises(AtopError, match=r"about\.json: lacks test image \d+ .*lower eval"):
        assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")


def test_with_the_whole_defence_as_target_its_own_set_is_taken(small: Change) -> None:
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    with pytest.raises(AtopError, match=f"{CELL.id}/pgd-10.safetensors: no such checkpoint"):
        run(CELL, "defense")
    small("presets/smoke", {"attacks": {"pgd-10": {"steps": 1}}})
    own = make_adversarial(Attack(preset=presets.get("smoke"), cell=CELL, attack="pgd-10"), CPU)
    record = run(CELL, "defense")
    assert record["victim"] == CELL.id
    assert record["evaluations"][1]["adversarial"]["sha256"] == sha256(own)
    assert record["evaluations"][1]["budget"]["scaled"] == {"steps": 10}


def test_a_suite_takes_sets_that_were_made_on_other_targets(small: Change) -> None:
    entries = ["pgd-10", "pgd-10@classifier", "pgd-10@untransformed", "pgd-10@defense"]
    small("attacks", {"suites": {"quick": {"target": "defense", "attacks": entries}}})
    small("presets/smoke", {"attacks": {"pgd-10": {"steps": 1}}})
    sets = {
        "pgd-10": make_adversarial(
            Attack(preset=presets.get("smoke"), cell=CELL, attack="pgd-10"), CPU
        ),
        "pgd-10@classifier": make_adversarial(
            Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU
        ),
        "pgd-10@untransformed": make_adversarial(
            Attack(preset=presets.get("smoke"), cell=CELL.target("untransformed"), attack="pgd-10"),
            CPU,
        ),
    }
    sets["pgd-10@defense"] = sets["pgd-10"]
    record = run(CELL, "defense")
    assert [one["attack"] for one in record["evaluations"]] == entries
    for one in record["evaluations"]:
        assert one["adversarial"]["sha256"] == sha256(sets[one["attack"]])
    assert len({sha256(path) for path in sets.values()}) == 3


def test_a_suite_has_as_many_images_as_its_smallest_set(small: Change) -> None:
    small("attacks", {"attacks": {"fgsm": {"examples": 5}}})
    small("attacks", {"suites": {"quick": {"attacks": ["clean", "pgd-10", "fgsm"]}}})
    for attack in ("pgd-10", "fgsm"):
        make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack=attack), CPU)
    record = run(CELL)
    assert (record["n"], record["indices"]) == (5, PLACES[:5])
    assert len(load_file(paths.adversarial(presets.get("smoke"), BARE, "fgsm"))["images"]) == 5
    assert all(len(answers) == 5 for answers in predictions(record, "pgd-10"))


def test_the_attacker_may_work_at_another_size_than_the_preset(small: Change) -> None:
    small("attacks", {"attacks": {"fgsm": {"pixels": 48}}})
    small("attacks", {"suites": {"quick": {"attacks": ["clean", "fgsm"], "target": "defense"}}})
    path = make_adversarial(Attack(preset=presets.get("smoke"), cell=CELL, attack="fgsm"), CPU)
    assert load_file(path)["images"].shape == (N, 3, 48, 48)
    clean, fgsm = run(CELL, "defense")["evaluations"]
    assert fgsm["distance"]["linf"] == pytest.approx(8 / 255)
    assert fgsm["distance"]["unmoved"] == 0
    assert clean["distance"]["linf"] == 0


@pytest.mark.slow
def test_in_the_grey_box_a_preset_may_take_more_images(small: Change) -> None:
    small("presets/smoke", {"evaluation": {"grey_box": 24}})
    entries = ["clean", "pgd-10"]
    small("attacks", {"suites": {"other": {"target": "defense", "attacks": entries, "draws": 2}}})
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    record = run(CELL)
    assert record["n"] == 24
    assert record["indices"][:N] == PLACES  # those of the other suites come first
    assert all(len(answers) == 24 for answers in predictions(record, "pgd-10"))
    made = make_adversarial(Attack(preset=presets.get("smoke"), cell=CELL, attack="pgd-10"), CPU)
    assert len(load_file(made)["images"]) == N
    for cell in (CELL, BARE):  # of the set on the bare classifier the first
        path = evaluate.evaluate(
            Evaluate(preset=presets.get("smoke"), cell=cell, suite="other", target="defense"), CPU
        )
        assert records.read(path, cell=cell)["indices"] == PLACES


def test_an_evaluation_holds_no_more_images_than_a_batch(
    small: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    inputs, sizes = Split.inputs, []

    def counting(self: Split, size: int) -> torch.Tensor:
        sizes.append(len(self))
        return inputs(self, size)

    monkeypatch.setattr(Split, "inputs", counting)
    run(CELL)
    assert max(sizes) == 8 < N
