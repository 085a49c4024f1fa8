"""Records: what they hold, that they come out alike again, and go on where they were stopped."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.small_evaluation import (
    BARE,
    CELL,
    CPU,
    PLACES,
    TRAINED,
    Change,
    N,
    predictions,
    prepare,
    run,
)
from torch.nn.functional import cross_entropy

from atop.core.errors import AtopError
from atop.core.files import sha256
from atop.core.randomness import Randomness
from atop.data import embedded
from atop.experiment import config, paths, presets
from atop.experiment.stages.attack import Attack
from atop.pipeline import assemble
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.evaluation import evaluate


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


@pytest.mark.parametrize("changed", [False, True])
def test_an_evaluation_that_was_stopped_goes_on_after_the_set_that_it_saved(
    small: Change, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    suite = {"target": "classifier", "attacks": ["clean", "fgsm", "pgd-10"], "draws": 2}
    small("attacks", {"suites": {"quick": suite}})
    for attack in ("fgsm", "pgd-10"):
        make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack=attack), CPU)
    whole = run(CELL)
    outcomes, asked = evaluate.Evaluation.outcomes, []

    def stopping(self: evaluate.Evaluation, *of: Any) -> Any:
        asked.append(of[1].method)
        if len(asked) == 2:
            signal.raise_signal(signal.SIGTERM)
        return outcomes(self, *of)

    monkeypatch.setattr(evaluate.Evaluation, "outcomes", stopping)
    with pytest.raises(SystemExit) as stopped:
        run(CELL)
    assert stopped.value.code == 143
    assert paths.state(paths.record(presets.get("smoke"), CELL, "quick", "classifier")).exists()
    if changed:  # another set under the same name
        small("attacks", {"attacks": {"fgsm": {"eps": "4/255"}}})
        make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="fgsm"), CPU)
    again = run(CELL)
    assert asked == ["clean", "fgsm", *(["clean", "fgsm"] if changed else []), "pgd"]
    assert (again["evaluations"] == whole["evaluations"]) is not changed
    assert (again["resumed"], whole["resumed"]) == (True, False)
    assert not paths.state(paths.record(presets.get("smoke"), CELL, "quick", "classifier")).exists()


def test_a_grey_box_record_of_a_random_defence(small: Change) -> None:
    adversarial = make_adversarial(
        Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU
    )
    record = run(CELL)
    assert (record["n"], record["draws"], record["indices"]) == (N, 2, PLACES)
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    assert record["labels"] == split.labels.tolist()
    assert record["cell"] == CELL.as_dict()
    assert (record["target"], record["victim"]) == ("classifier", BARE.id)
    assert [one["attack"] for one in record["evaluations"]] == ["clean", "pgd-10"]
    clean, pgd = record["evaluations"]
    assert clean["adversarial"] is None
    assert clean["distance"] == {"linf": 0.0, "l2": 0.0, "l2_max": 0.0, "unmoved": 1.0}
    assert pgd["adversarial"]["sha256"] == sha256(adversarial)
    assert pgd["adversarial"]["victim"]["id"] == BARE.id
    assert pgd["distance"]["linf"] == pytest.approx(8 / 255)
    assert 0.5 < pgd["distance"]["l2"] < 8 / 255 * (3 * 32 * 32) ** 0.5
    assert pgd["distance"]["unmoved"] == 0
    provenance = record["provenance"]
    assert provenance["checkpoints"] == {
        "classifier": sha256(embedded.FOLDER / "resnet_small.safetensors"),
        "purifier": sha256(paths.purifier(presets.get("smoke"), CELL)),
    }
    expected = config.dataset("cifar10_slice").sha256.test
    known = {"verified": "pixels", "positions": "published"}
    assert provenance["data"] == {"name": "cifar10_slice", "sha256": expected, **known}
    assert record["networks"]["purifier"]["parameters"] > 50_000
    first, second = predictions(record, "pgd-10")
    assert first != second


def test_predictions_are_those_of_the_defence_on_the_stored_images(small: Change) -> None:
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    record = run(CELL)
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    images = load_file(paths.adversarial(presets.get("smoke"), BARE, "pgd-10"))["images"]
    defense = assemble.defense(presets.get("smoke"), CELL)
    for name, x in (("clean", split.inputs(32)), ("pgd-10", images)):
        for draw, found in enumerate(predictions(record, name)):
            logits = defense(x, Randomness(0, "evaluate", split.index, draw))
            assert found == logits.argmax(1).tolist()


def test_a_record_is_the_same_in_a_second_run_and_with_another_batch(small: Change) -> None:
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    first = run(CELL)
    torch.manual_seed(7)
    small("presets/smoke", {"evaluation": {"batch": 5}})
    second = run(CELL)
    assert second["evaluations"] == first["evaluations"]
    small("presets/smoke", {"evaluation": {"batch": 8}, "seed": 1})
    assert run(CELL)["evaluations"] != first["evaluations"]


def test_a_batch_that_does_not_fit_is_halved(small: Change, monkeypatch: Any) -> None:
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    defense, x = assemble.defense(presets.get("smoke"), CELL), split.inputs(32)
    whole = evaluate.Evaluation(defense, split, seed=0, batch=8, device=CPU)
    expected = whole.predictions(x, draws=2)
    sizes, room = [], [3]

    def small_memory(module: Any, arguments: Any) -> None:
        sizes.append(len(arguments[0]))
        if sizes[-1] > room[0]:
            raise torch.OutOfMemoryError

    defense.register_forward_pre_hook(small_memory)
    assert (
        evaluate.Evaluation(defense, split, seed=0, batch=8, device=CPU).predictions(x, draws=2)
        == expected
    )
    assert sizes == [8, 4, *[2] * 8 * 2]
    room[0] = 0
    with pytest.raises(AtopError, match="not even one image fits into memory"):
        whole.predictions(x, draws=1)


def test_the_undefended_classifier_falls_to_the_attack_on_it(small: Change) -> None:
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    record = run(BARE)
    assert record["networks"]["purifier"]["parameters"] == 0
    labels = record["labels"]

    def right(attack: str) -> list[int]:
        answers = predictions(record, attack)
        return [sum(a == b for a, b in zip(draw, labels, strict=True)) for draw in answers]

    clean, attacked = right("clean"), right("pgd-10")
    assert clean[0] == clean[1] > N // 2
    assert attacked[0] == attacked[1] <= 2


def test_distances_by_hand() -> None:
    clean = torch.zeros(4, 1, 1, 2)
    moved = clean.clone()
    moved[0, 0, 0] = torch.tensor([0.3, -0.4])
    moved[1, 0, 0, 0] = 0.1
    found = evaluate._distance(moved, clean, batch=3)
    assert found == pytest.approx(
        {"linf": 0.4, "l2": (0.5 + 0.1) / 4, "l2_max": 0.5, "unmoved": 0.5}
    )


def test_a_record_says_how_its_purifier_was_trained(small: Change) -> None:
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    record = run(CELL)
    assert record["training"] == {"settings": {"stage": "finetune"}, "provenance": TRAINED}
    assert record["transform"] == config.transform("rt2")
    assert run(BARE)["training"] is None


def test_a_worst_case_is_picked_on_other_draws_than_it_is_reported_on(small: Change) -> None:
    small("attacks", {"suites": {"quick": {"selection": 3}}})
    make_adversarial(Attack(preset=presets.get("smoke"), cell=BARE, attack="pgd-10"), CPU)
    record = run(CELL)
    assert record["selection"] == 3
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    defense = assemble.defense(presets.get("smoke"), CELL)
    chosen = record["evaluations"][0]["selection"]
    margins = []
    for draw, found in enumerate(chosen["predictions"]):
        logits = defense(split.inputs(32), Randomness(0, "select", split.index, draw))
        assert found == logits.argmax(1).tolist()
        top = logits.topk(2).values
        right = logits.argmax(1) == split.labels
        best_wrong = torch.where(right, top[:, 1], top[:, 0])
        margins.append(logits[torch.arange(N), split.labels] - best_wrong)
    expected = torch.stack(margins).mean(0).tolist()
    assert chosen["margins"] == pytest.approx(expected, abs=1e-3)
    small("attacks", {"suites": {"quick": {"selection": 0}}})
    again = run(CELL)
    assert "selection" not in again["evaluations"][0]
    assert predictions(again, "clean") == predictions(record, "clean")


def test_the_bare_classifier_answers_alike_in_every_draw(small: Change) -> None:
    small("attacks", {"suites": {"quick": {"selection": 3, "attacks": ["clean"]}}})
    evaluation = run(BARE)["evaluations"][0]
    assert len(evaluation["predictions"]) == 2
    assert len(evaluation["selection"]["predictions"]) == 3
    every = evaluation["predictions"] + evaluation["selection"]["predictions"]
    assert all(answers == every[0] for answers in every)


@pytest.mark.slow
def test_a_known_draw_is_the_one_that_the_attack_knew(small: Change) -> None:
    rows = {"fixed": {"method": "pgd", "norm": "Linf", "eps": "8/255", "step_size": "2/255",
                      "steps": 8, "random_start": True, "eot": 1, "through": "fixed"}}  # fmt: skip
    suite = {"target": "defense", "attacks": ["clean", "fixed"], "selection": 2}
    small("attacks", {"attacks": rows, "suites": {"quick": suite}})
    path = make_adversarial(Attack(preset=presets.get("smoke"), cell=CELL, attack="fixed"), CPU)
    record = run(CELL, "defense")
    (answers,) = predictions(record, "fixed")
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice")
    images, defense = load_file(path)["images"], assemble.defense(presets.get("smoke"), CELL)
    known = Randomness(0, "fixed", split.index)
    assert answers == defense(images, known).argmax(1).tolist()
    assert "selection" not in record["evaluations"][1]

    fresh = Randomness(0, "evaluate", split.index)
    losses = [cross_entropy(defense(images, draw), split.labels).mean() for draw in (known, fresh)]
    assert losses[0] > losses[1] + 0.5  # what it knows is what it is good against
