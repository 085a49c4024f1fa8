"""What `atop verify` finds: each thing that is wrong with a released record, and nothing else."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atop.__main__ import main
from atop.core.errors import AtopError
from atop.core.files import ROOT
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.stages.finetuning import finetuning
from atop.pipeline.datasets import fetch
from atop.results import released
from atop.results.records import Records
from atop.results.verify import verify

RELEASED = ROOT / "results" / "released"
CELL = "cifar10-resnet18_32-deepfill-scratch-rt2-adversarial-paper-s0"
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(autouse=True)
def no_data_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def table7() -> Records:
    return released.read(RELEASED / "table7.jsonl")


@pytest.fixture(scope="module")
def strict() -> Records:
    return released.read(RELEASED / "strict.jsonl")


def problems(
    content: Records, name: str, change: Change, folder: Path, cell: str = CELL
) -> list[str]:
    """What is found after a change to the record of a cell under preset native_cpu."""
    changed = deepcopy(content)
    for one in changed.values():
        if one["preset"] == "native_cpu" and one["cell"]["id"] == cell:
            change(one)
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in changed.values()))
    return verify([path]).problems


def pgd(record: dict[str, Any]) -> dict[str, Any]:
    """Its evaluation under PGD-20."""
    return next(one for one in record["evaluations"] if one["attack"] == "pgd-20")


CHANGES: dict[str, tuple[Change, list[str]]] = {
    "other images": (lambda r: r["indices"].reverse(), ["indices", "label"]),
    "another label": (lambda r: r["labels"].insert(0, 9 - r["labels"].pop(0)), ["another label"]),
    "another seed": (lambda r: r.update(seed=1), ["seed: 1"]),
    "another size": (lambda r: r["sizes"].update(purifier=48), ["sizes: "]),
    "another transform": (lambda r: r["transform"].update(sigma=0.1), ["transform: "]),
    "an attack less": (lambda r: r["evaluations"].pop(), ["evaluations: "]),
    "a weaker attack": (lambda r: pgd(r)["budget"].update(steps=5), ["pgd-20: {", "reported"]),
    "a set of a weaker attack": (
        lambda r: pgd(r)["adversarial"]["budget"].update(steps=5),
        ["another budget than the one reported"],
    ),
    "a set made elsewhere": (
        lambda r: pgd(r)["adversarial"]["victim"].update(id=CELL),
        [f"pgd-20: is pgd-20 on {CELL}", "other weights"],
    ),
    "a set of other images": (
        lambda r: pgd(r)["adversarial"].update(sha256="0"),
        ["another adversarial set"],
    ),
    "a set made on another classifier": (
        lambda r: pgd(r)["adversarial"]["provenance"]["checkpoints"].update(classifier="0"),
        ["made on another classifier", "another resnet18_32 than another record"],
    ),
    "out of its ball": (lambda r: pgd(r)["distance"].update(linf=0.04), ["its ball is 8/255"]),
    "changed clean images": (
        lambda r: r["evaluations"][0]["distance"].update(linf=0.01),
        ["clean images that were changed"],
    ),
    "other training": (
        lambda r: r["training"]["settings"].update(fingerprint="0"),
        ["training: with other settings"],
    ),
    "trained with another classifier": (
        lambda r: r["training"]["settings"].update(classifier_sha256="0"),
        ["training: with another classifier"],
    ),
    "no training": (lambda r: r.update(training=None), ["training: missing"]),
    "weights of another cell": (
        lambda r: r["training"]["settings"]["cell"].update(id="x"),
        ["training: of x"],
    ),
    "changed code": (
        lambda r: r["provenance"].update(commit="abc+"),
        ["evaluated by code that is no commit"],
    ),
    "an unnamed machine": (lambda r: r["provenance"].pop("processor"), ["not named"]),
    "another dataset": (lambda r: r["provenance"]["data"].update(sha256="0"), ["another hash"]),
    "another classifier": (
        lambda r: r["provenance"]["checkpoints"].update(classifier="0"),
        [
            "not the public classifier",
            "made on another classifier",
            "with another classifier",
            "another resnet18_32 than another record",
        ],
    ),
    "no classes": (
        lambda r: pgd(r)["predictions"][0].insert(0, -1 - pgd(r)["predictions"][0].pop(0)),
        ["no classes"],
    ),
    "coarse arithmetic": (
        lambda r: r["provenance"]["compute"].update(precision="bfloat16"),
        ["evaluated in another number format"],
    ),
    "a set of coarse arithmetic": (
        lambda r: pgd(r)["adversarial"]["provenance"]["compute"].update(precision="bfloat16"),
        ["pgd-20: made with"],
    ),
    "trained in another number format": (
        lambda r: r["training"]["settings"]["compute"].update(precision="float32"),
        ["training: with {'precision': 'float32'"],
    ),
    "trained in another layout": (
        lambda r: r["training"]["provenance"]["compute"].update(channels_last=False),
        ["training: with {'precision': 'bfloat16'"],
    ),
    "other settings": (lambda r: r.update(fingerprint="0"), ["fingerprint: "]),
    "a set of other settings": (
        lambda r: pgd(r)["adversarial"].update(fingerprint="0"),
        ["pgd-20: fingerprint"],
    ),
    "no metadata": (lambda r: pgd(r).update(adversarial=None), ["no metadata"]),
    "half of the metadata": (lambda r: pgd(r)["adversarial"].pop("victim"), ["no metadata"]),
    "no distance": (lambda r: pgd(r)["distance"].update(linf=None), ["reaches None"]),
    "no weights": (
        lambda r: r["provenance"]["checkpoints"].pop("purifier"),
        ["no purifier"],
    ),
    "no word of the classifier in training": (
        lambda r: r["training"]["settings"].pop("classifier_sha256"),
        ["training: with another classifier"],
    ),
    "a cell that no row has": (
        lambda r: r["cell"].update(seed=7, id=CELL.replace("s0", "s7")),
        ["no row of table7", "training: of"],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_and_nothing_else(table7: Records, name: str, tmp_path: Path) -> None:
    change, words = CHANGES[name]
    found = problems(table7, "table7", change, tmp_path)
    assert all(any(word in problem for problem in found) for word in words)
    assert all(any(word in problem for word in words) for problem in found)


def exchanged(record: dict[str, Any]) -> None:
    """Make a record of RT2 with AToP one whose purifier was trained with the small network."""
    other = Cell.parse(CELL.replace("resnet18_32", "resnet_small"))
    cell = replace(Cell.parse(CELL), trained_with="resnet_small")
    record["cell"] = cell.as_dict()
    if record["target"] == "defense":
        record["victim"] = cell.id
        for one in record["evaluations"]:
            target = one["adversarial"] and Cell.parse(one["adversarial"]["victim"]["id"])
            if target and target.finetune == "adversarial":
                moved = replace(target, trained_with="resnet_small")
                one["adversarial"]["victim"] = moved.as_dict()
    stage = finetuning(presets.get("native_cpu"), other)
    settings = record["training"]["settings"]
    settings |= {"cell": other.as_dict(), "fingerprint": stage.fingerprint}
    settings["classifier_sha256"] = "a" * 64


def test_a_purifier_before_another_classifier(
    table7: Records, strict: Records, tmp_path: Path, change: Callable[..., None]
) -> None:
    """The classifier of its training is not the evaluated one, but the same in every record."""
    change("presets/native_cpu", {"leave_out": {"strict": []}})
    assert problems(table7, "table7", exchanged, tmp_path) == []
    only = {path: one for path, one in strict.items() if one["cell"]["id"] == CELL}
    assert problems(only, "strict", exchanged, tmp_path) == []
    files = [tmp_path / "table7.jsonl", tmp_path / "strict.jsonl"]
    assert verify(files).problems == []

    def another(record: dict[str, Any]) -> None:
        exchanged(record)
        record["training"]["settings"]["classifier_sha256"] = "b" * 64

    problems(only, "strict", another, tmp_path)
    (problem,) = verify(files).problems
    assert "trained with another resnet_small than another record has" in problem


def test_a_purifier_of_another_public_classifier(table7: Records, tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        cell = replace(Cell.parse(CELL), classifier="resnet_small", trained_with="resnet18_32")
        record["cell"] = cell.as_dict()
        record["training"]["settings"]["classifier_sha256"] = "0"

    found = problems(table7, "table7", change, tmp_path)
    assert any("with another resnet18_32 than that of checkpoints.yaml" in one for one in found)


def test_under_auto_a_record_has_what_the_preset_allows(
    change: Callable[[str, dict[str, Any]], None], table7: Records, tmp_path: Path
) -> None:
    auto = {"precision": "auto", "channels_last": "auto"}
    train, attack = {**auto, "precisions": ["bfloat16"]}, {**auto, "precisions": ["tf32"]}
    change("presets/native_cpu", {"compute": {"train": train, "attack": attack}})

    def found(**precisions: str) -> set[str]:
        def edit(record: dict[str, Any]) -> None:
            made = {"trained": record["training"], "attacked": pgd(record)["adversarial"]}
            for name, precision in precisions.items():
                compute = made[name]["provenance"]["compute"]
                compute |= {"precision": precision, "chosen": "auto", "ms": {precision: 1.5}}

        every = problems(table7, "table7", edit, tmp_path)
        wrong = [problem for problem in every if "the config says {'precision': 'auto'" in problem]
        return {word for word in ("training", "pgd-20") if any(word in each for each in wrong)}

    assert found() == set()
    assert found(trained="float32", attacked="tf32") == set()
    assert found(trained="tf32", attacked="float32") == {"training"}
    assert found(trained="bfloat16", attacked="bfloat16") == {"pgd-20"}


def test_weights_that_two_records_name_differently(strict: Records, tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        record["provenance"]["checkpoints"]["purifier"] = "0"
        for one in record["evaluations"]:
            if (made := one["adversarial"]) and made["victim"]["id"].startswith(CELL):
                made["provenance"]["checkpoints"]["purifier"] = "0"

    found = problems(strict, "strict", change, tmp_path, cell=f"{CELL}-no_noise")
    assert found
    assert all("other weights" in problem for problem in found)


def test_a_worst_case_without_its_selection(strict: Records, tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        for one in record["evaluations"]:
            one.pop("selection", None)

    found = problems(strict, "strict", change, tmp_path)
    assert found
    assert all("selection draws are missing" in problem for problem in found)


def test_a_set_made_on_other_weights_of_another_cell(strict: Records, tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        one = next(one for one in record["evaluations"] if one["attack"].endswith("@untuned"))
        one["adversarial"]["provenance"]["checkpoints"]["purifier"] = "0"

    found = problems(strict, "strict", change, tmp_path)
    assert found
    assert all("other weights than another record" in problem for problem in found)


def test_files_are_held_against_each_other(
    table7: Records, strict: Records, tmp_path: Path
) -> None:
    def change(record: dict[str, Any]) -> None:
        record["provenance"]["checkpoints"]["purifier"] = "0"

    assert problems(table7, "table7", change, tmp_path) == []
    released.write(tmp_path / "strict.jsonl", strict)
    found = verify([tmp_path / "table7.jsonl", tmp_path / "strict.jsonl"]).problems
    assert found
    assert all("other weights than another record" in problem for problem in found)


def test_labels_are_those_of_the_dataset_that_is_here(table7: Records, tmp_path: Path) -> None:
    path = tmp_path / "table7.jsonl"
    smoke = {where: deepcopy(one) for where, one in table7.items() if one["preset"] == "smoke"}
    for one in smoke.values():  # so that they agree among themselves
        one["labels"][0] = (one["labels"][0] + 1) % 10
    path.write_text("".join(json.dumps(one) + "\n" for one in smoke.values()))
    before = verify([path])
    assert not any("labels" in problem for problem in before.problems)
    assert before.unread == ["cifar10_slice"]
    fetch("cifar10_slice", folder=None, offline=True)
    found, unread = verify([path])[1:]
    assert unread == []
    assert sum("labels: not those of" in problem for problem in found) == len(smoke)


def test_a_record_twice(table7: Records, tmp_path: Path) -> None:
    one, path = next(iter(table7.values())), tmp_path / "table7.jsonl"
    path.write_text(2 * (json.dumps(one) + "\n"))
    with pytest.raises(AtopError, match=r"table7\.jsonl:2: .* a second time"):
        verify([path])


def test_the_verb_says_how_many_and_fails(
    table7: Records, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems(table7, "table7", lambda r: r.update(seed=1), tmp_path)
    assert main(["verify", str(tmp_path / "table7.jsonl")]) == 2
    said = capsys.readouterr()
    assert f"{len(table7)} records" in said.out
    assert "labels of cifar10 were compared with each other only" in said.out
    assert "seed: 1, the config says 0" in said.out
    assert "not verified: 1" in said.err
