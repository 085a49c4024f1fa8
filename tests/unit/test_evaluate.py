"""From pictures to records: which pictures, how adversarial sets are stored, what records hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from atop import assemble, checkpoints, config, evaluate, paths, records
from atop.attacks._base import Target
from atop.cells import Cell
from atop.data import Split, embedded
from atop.data.fetch import fetch
from atop.errors import AtopError
from atop.files import read_json, sha256
from atop.randomness import Randomness

BARE = Cell(dataset="cifar10_slice", classifier="resnet_small")
CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
CPU = torch.device("cpu")
TRAINED = {"code_sha": "abc", "created": "2026-01-01T00:00:00+00:00"}
N = 16
PLACES = np.random.RandomState(0).choice(10000, 512, replace=False)[:N].tolist()
Change = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    """The smoke preset with 16 pictures and a suite of two attacks; its data, and a purifier."""
    change("presets/smoke", {"evaluation": {"n": N, "batch": 8}})
    quick = {"target": "classifier", "attacks": ["clean", "pgd-10"], "draws": 2}
    change("attacks", {"suites": {"quick": quick}})
    fetch("cifar10_slice")
    network = assemble.purifier("smoke", "deepfill")
    checkpoints.load(network, embedded.FOLDER / "deepfill.safetensors")
    account = {"settings": {"stage": "finetune"}, "provenance": TRAINED, "history": [{"step": 1}]}
    checkpoints.save(paths.purifier("smoke", CELL), network, account)
    return change


def run(cell: Cell, target: str = "classifier") -> dict[str, Any]:
    path = evaluate.evaluate("smoke", cell, "quick", target, device=CPU)
    return records.read(path, cell=cell)


def predictions(record: dict[str, Any], attack: str) -> list[list[int]]:
    found = records.evaluation(record, attack)
    assert found is not None
    answers: list[list[int]] = found["predictions"]
    return answers


def test_the_pictures_are_the_first_of_a_fixed_choice(small: Change) -> None:
    chosen = evaluate.test_pictures("smoke", "cifar10_slice")
    assert chosen.index.tolist() == PLACES
    test = assemble.dataset("cifar10_slice").test
    by_place = {int(i): picture for i, picture in zip(test.index, test.images, strict=True)}
    for place, picture in zip(PLACES, chosen.images, strict=True):
        assert torch.equal(by_place[place], picture)
    small("presets/smoke", {"evaluation": {"n": 513}})
    with pytest.raises(AtopError, match=r"cifar10_slice\.npz: lacks test picture \d+ .*lower eval"):
        evaluate.test_pictures("smoke", "cifar10_slice")


def test_an_adversarial_set_is_stored_as_it_was_made(small: Change) -> None:
    path = evaluate.make_adversarial("smoke", BARE, "pgd-10", device=CPU)
    stored = load_file(path)
    assert stored["images"].dtype == torch.float32
    assert stored["index"].tolist() == PLACES
    split = evaluate.test_pictures("smoke", "cifar10_slice")
    attack, target = assemble.attack("smoke", "pgd-10"), assemble.defense("smoke", BARE)
    made = []
    for part in (split.take(slice(0, 8)), split.take(slice(8, N))):
        draw = Randomness(0, "attack:pgd-10", part.index)
        made.append(attack(target, part.inputs(32), part.labels, draw))
    assert torch.equal(stored["images"], torch.cat(made))
    levels = stored["images"] * 255
    assert ((levels - levels.round()).abs() > 0.01).float().mean() > 0.1  # bytes would change it
    account = read_json(path.with_suffix(".json"))
    assert account["victim"]["id"] == BARE.id
    assert account["budget"] == config.attack("pgd-10", "smoke")


def test_a_grey_box_record_of_a_random_defence(small: Change) -> None:
    adversarial = evaluate.make_adversarial("smoke", BARE, "pgd-10", device=CPU)
    record = run(CELL)
    assert (record["n"], record["draws"], record["indices"]) == (N, 2, PLACES)
    split = evaluate.test_pictures("smoke", "cifar10_slice")
    assert record["labels"] == split.labels.tolist()
    assert record["cell"] == CELL.as_dict()
    assert (record["target"], record["victim"]) == ("classifier", BARE.id)
    assert [one["attack"] for one in record["evaluations"]] == ["clean", "pgd-10"]
    clean, pgd = record["evaluations"]
    assert clean["adversarial"] is None
    assert clean["distance"] == {"linf": 0.0, "l2": 0.0, "unmoved": 1.0}
    assert pgd["adversarial"]["sha256"] == sha256(adversarial)
    assert pgd["adversarial"]["victim"]["id"] == BARE.id
    assert pgd["distance"]["linf"] == pytest.approx(8 / 255)
    assert 0.5 < pgd["distance"]["l2"] < 8 / 255 * (3 * 32 * 32) ** 0.5
    assert pgd["distance"]["unmoved"] == 0
    provenance = record["provenance"]
    assert provenance["checkpoints"] == {
        "classifier": sha256(embedded.FOLDER / "resnet_small.safetensors"),
        "purifier": sha256(paths.purifier("smoke", CELL)),
    }
    assert provenance["data_sha256"] == config.dataset("cifar10_slice")["sha256"]["test"]
    assert record["networks"]["purifier"]["parameters"] > 50_000
    first, second = predictions(record, "pgd-10")
    assert first != second


def test_predictions_are_those_of_the_defence_on_the_stored_pictures(small: Change) -> None:
    evaluate.make_adversarial("smoke", BARE, "pgd-10", device=CPU)
    record = run(CELL)
    split = evaluate.test_pictures("smoke", "cifar10_slice")
    images = load_file(paths.adversarial("smoke", BARE, "pgd-10"))["images"]
    defense = assemble.defense("smoke", CELL)
    for name, x in (("clean", split.inputs(32)), ("pgd-10", images)):
        for draw, found in enumerate(predictions(record, name)):
            logits = defense(x, Randomness(0, "evaluate", split.index, draw))
            assert found == logits.argmax(1).tolist()


def test_a_record_is_the_same_in_a_second_run_and_with_another_batch(small: Change) -> None:
    evaluate.make_adversarial("smoke", BARE, "pgd-10", device=CPU)
    first = run(CELL)
    torch.manual_seed(7)
    small("presets/smoke", {"evaluation": {"batch": 5}})
    second = run(CELL)
    assert second["evaluations"] == first["evaluations"]
    small("presets/smoke", {"evaluation": {"batch": 8}, "seed": 1})
    assert run(CELL)["evaluations"] != first["evaluations"]


def test_the_undefended_classifier_falls_to_the_attack_on_it(small: Change) -> None:
    evaluate.make_adversarial("smoke", BARE, "pgd-10", device=CPU)
    record = run(BARE)
    assert record["networks"]["purifier"]["parameters"] == 0
    labels = record["labels"]

    def right(attack: str) -> list[int]:
        answers = predictions(record, attack)
        return [sum(a == b for a, b in zip(draw, labels, strict=True)) for draw in answers]

    clean, attacked = right("clean"), right("pgd-10")
    assert clean[0] == clean[1] > N // 2
    assert attacked[0] == attacked[1] <= 2


def test_with_the_whole_defence_as_target_its_own_set_is_taken(small: Change) -> None:
    evaluate.make_adversarial("smoke", BARE, "pgd-10", device=CPU)
    with pytest.raises(AtopError, match=f"{CELL.id}/pgd-10.safetensors: no such checkpoint"):
        run(CELL, "defense")
    small("presets/smoke", {"attacks": {"pgd-10": {"steps": 1}}})
    own = evaluate.make_adversarial("smoke", CELL, "pgd-10", device=CPU)
    record = run(CELL, "defense")
    assert record["victim"] == CELL.id
    assert record["evaluations"][1]["adversarial"]["sha256"] == sha256(own)
    assert record["evaluations"][1]["budget"]["scaled"] == {"steps": 10}


def test_a_set_made_from_other_pictures_is_refused(small: Change) -> None:
    path = evaluate.make_adversarial("smoke", BARE, "pgd-10", device=CPU)
    other = Split(torch.zeros(N, 32, 32, 3), torch.zeros(N), torch.tensor(PLACES[::-1]))
    with pytest.raises(AtopError, match=f"{path}: made from other test pictures; delete it"):
        evaluate.load_adversarial(path, other)
    with pytest.raises(AtopError, match="made from other test pictures"):
        evaluate.load_adversarial(path, other.take(slice(0, 3)))


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_an_attack_that_leaves_the_range_is_an_error(pictures: Split, value: float) -> None:
    class Bad:
        def __call__(self, target: Target, x: Tensor, y: Tensor, draw: Randomness) -> Tensor:
            bad = x.clone()
            bad[3, 2, 1, 0] = value
            return bad

    x, draw = pictures.inputs(32), Randomness(0, "attack", pictures.index)
    with pytest.raises(AtopError, match=r"Bad: made pictures that are not inside \[0, 1\]"):
        evaluate.run_attack(Bad(), lambda x, _: x, x, pictures.labels, draw)


def test_distances_by_hand() -> None:
    clean = torch.zeros(4, 1, 1, 2)
    moved = clean.clone()
    moved[0, 0, 0] = torch.tensor([0.3, -0.4])
    moved[1, 0, 0, 0] = 0.1
    found = evaluate._distance(moved, clean)
    assert found == pytest.approx({"linf": 0.4, "l2": (0.5 + 0.1) / 4, "unmoved": 0.5})


def test_a_record_says_how_its_purifier_was_trained(small: Change) -> None:
    evaluate.make_adversarial("smoke", BARE, "pgd-10", device=CPU)
    record = run(CELL)
    assert record["training"] == {"settings": {"stage": "finetune"}, "provenance": TRAINED}
    assert record["transform"] == config.transform("rt2")
    assert run(BARE)["training"] is None
