"""Names that mean nothing: the message names what was said and what would do."""

from pathlib import Path

import pytest
from breaking import Complain

from atop.experiment import paths

CELL = "cifar10_slice-resnet_small-deepfill-scratch-rt2-adversarial-paper-s0"
SMOKE = ("--preset", "smoke")


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "nonsense",
        "cifar10_slice-resnet_small",
        "cifar10_slice-resnet_small-defended",
        CELL.removesuffix("-s0"),
        CELL.replace("s0", "0"),
        CELL.replace("s0", "s-1"),
        CELL.replace("adversarial", "adversarially"),
        CELL.replace("cifar10_slice", "CIFAR10"),
        CELL.replace("deepfill", "../deepfill"),
        f"{CELL}-more",
    ],
)
@pytest.mark.parametrize("verb", ["finetune", "evaluate"])
def test_what_is_no_cell(complain: Complain, workdir: Path, verb: str, cell: str) -> None:
    more = ("--suite", "table7") if verb == "evaluate" else ()
    line = complain(verb, *SMOKE, "--cell", cell, *more)
    assert f"'{cell}' is not a cell: expected DATASET-CLASSIFIER-" in line


@pytest.mark.parametrize(
    ("old", "where", "known"),
    [
        ("cifar10_slice", "datasets.yaml", "cifar10"),
        ("resnet_small", "classifiers.yaml", "resnet18"),
        ("deepfill", "atop/method/purifiers/", "deepfill"),
        ("scratch", "checkpoints.yaml", "places2"),
        ("rt2", "transforms.yaml", "rt1, rt2, rt3"),
        ("paper", "recipes.yaml", "official"),
    ],
)
@pytest.mark.parametrize("verb", ["finetune", "attack", "evaluate"])
def test_a_cell_with_a_word_that_is_not_known(
    complain: Complain, workdir: Path, verb: str, old: str, where: str, known: str
) -> None:
    more = {"attack": ("--attack", "fgsm"), "evaluate": ("--suite", "table7")}.get(verb, ())
    line = complain(verb, *SMOKE, "--cell", CELL.replace(old, "nonsense"), *more)
    assert all(word in line for word in ("nonsense", where, "known", known))


BARE = ("--cell", "cifar10_slice-resnet_small-undefended")


@pytest.mark.parametrize(
    ("command", "known"),
    [
        (("device", "--preset", "nonsense"), "smoke"),
        (("finetune", "--preset", "nonsense", "--cell", CELL), "smoke"),
        (("table", "--preset", "nonsense", "--table", "table7"), "smoke"),
        (("table", *SMOKE, "--table", "nonsense"), "table7"),
        (("table", *SMOKE, "--table", "table7", "--init", "nonsense"), "places2"),
        (("table", *SMOKE, "--table", "table7", "--recipe", "nonsense"), "official"),
        (("table", *SMOKE, "--table", "table7", "--target", "nonsense"), "defense"),
        (("attack", *SMOKE, *BARE, "--attack", "nonsense"), "fgsm"),
        (("evaluate", *SMOKE, *BARE, "--suite", "nonsense"), "table7"),
        (("fetch", "--dataset", "nonsense"), "cifar10"),
        (("checkpoint", "--name", "nonsense"), "deepfill-places2"),
        (("checkpoint", "--file", "nonsense.pth"), "checkpoints.yaml"),
    ],
)
def test_names(complain: Complain, small: Path, command: tuple[str, ...], known: str) -> None:
    line = complain(*command)
    assert "nonsense" in line
    assert known in line


@pytest.mark.parametrize("verb", ["classifier", "pretrain"])
@pytest.mark.parametrize("wrong", ["dataset", "member"])
def test_names_of_training(complain: Complain, small: Path, verb: str, wrong: str) -> None:
    dataset = "nonsense" if wrong == "dataset" else "cifar10"
    member = "nonsense" if wrong == "member" else {"classifier": "resnet18"}.get(verb, "deepfill")
    option = "--classifier" if verb == "classifier" else "--purifier"
    line = complain(verb, "--preset", "embedded", "--dataset", dataset, option, member)
    assert "nonsense" in line
    assert "known are" in line


def test_a_stage_that_the_preset_lacks(complain: Complain, small: Path) -> None:
    options = ("--dataset", "cifar10_slice", "--classifier", "resnet18_at")
    line = complain("classifier", "--preset", "embedded", *options)
    assert "presets/embedded.yaml: stages: no 'robust'; known are classifier, pretrain" in line


def test_a_purifier_whose_weights_are_given(complain: Complain, small: Path) -> None:
    line = complain("pretrain", *SMOKE, "--dataset", "cifar10_slice", "--purifier", "deepfill")
    assert "deepfill.safetensors: a preset names this file, so there is nothing to train" in line


def test_a_classifier_whose_weights_are_given(complain: Complain, small: Path) -> None:
    options = ("--dataset", "cifar10_slice", "--classifier", "resnet_small")
    line = complain("classifier", *SMOKE, *options)
    assert "resnet_small.safetensors: resnet_small has weights for cifar10_slice" in line
    assert "classifiers: resnet_small: {train: true} in presets/smoke.yaml trains it" in line
    options = ("--dataset", "cifar10", "--classifier", "zhang2020_wrn28")
    line = complain("classifier", *SMOKE, *options)
    assert "zhang2020_wrn28 has weights for cifar10, and is never trained here" in line


def test_what_has_no_purifier_to_train(complain: Complain, small: Path) -> None:
    line = complain("finetune", *SMOKE, *BARE)
    assert "cifar10_slice-resnet_small-undefended: no purifier to train" in line


@pytest.mark.parametrize("threads", ["0", "-1", "two"])
def test_threads(complain: Complain, workdir: Path, threads: str) -> None:
    line = complain("device", *SMOKE, "--threads", threads)
    assert "--threads" in line
    assert threads in line


def test_a_word_that_is_missing(complain: Complain, workdir: Path) -> None:
    assert "--preset" in complain("device")


def test_a_package_that_is_missing(complain: Complain, change: object, small: Path) -> None:
    file = {"file": "package:no_such_package/weights.pt"}
    given = {"resnet_small": {"checkpoints": {"cifar10_slice": file}}}
    change("presets/smoke", {"classifiers": given})  # type: ignore[operator]
    line = complain("attack", *SMOKE, *BARE, "--attack", "fgsm")
    assert "no_such_package is not installed; pip install no_such_package" in line


def test_results_that_is_a_file(complain: Complain, workdir: Path) -> None:
    """As a folder that may not be written, which nothing is for root."""
    paths.RESULTS.write_text("")
    line = complain("fetch", "--dataset", "cifar10_slice")
    assert "results" in line
    line = complain("table", *SMOKE, "--table", "table7", "--out", "results")
    assert "results" in line
