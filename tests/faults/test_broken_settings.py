"""A wrong key, value or file of the config: refused with its name before anything runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from breaking import Complain

from atop.core.errors import AtopError
from atop.experiment import config, validate

CELL = ("--cell", "cifar10_slice-resnet_small-deepfill-scratch-rt2-none-paper-s0")
BARE = ("--cell", "cifar10_slice-resnet_small-undefended")
TABLE = ("table", "--preset", "smoke", "--table", "table7")
FINETUNE = ("finetune", "--preset", "smoke", *CELL)
ATTACK = ("attack", "--preset", "smoke", *BARE, "--attack", "fgsm")
WORDS: dict[str, Any] = dict.fromkeys(("files", "init", "recipe", "seed", "target"))

Changes = dict[str, Any]


@pytest.mark.parametrize(
    ("file", "changes", "command"),
    [
        ("presets/smoke", {"treads": 1}, TABLE),
        ("presets/smoke", {"sizes": {"treads": 32}}, TABLE),
        ("presets/smoke", {"evaluation": {"treads": 1}}, TABLE),
        ("presets/smoke", {"compute": {"treads": {}}}, FINETUNE),
        ("presets/smoke", {"compute": {"train": {"treads": 1}}}, FINETUNE),
        ("presets/smoke", {"recipe": {"treads": 1}}, TABLE),
        ("presets/smoke", {"stages": {"treads": {}}}, FINETUNE),
        ("presets/smoke", {"stages": {"l_org": {"treads": 1}}}, FINETUNE),
        ("presets/smoke", {"stages": {"l_org": {"overrides": {"rt2": {"treads": 1}}}}}, FINETUNE),
        ("presets/smoke", {"purifiers": {"deepfill": {"treads": 1}}}, FINETUNE),
        ("presets/smoke", {"purifiers": {"deepfill": {"options": {"treads": 1}}}}, FINETUNE),
        ("presets/smoke", {"purifiers": {"deepfill": {"loss": {"treads": 1}}}}, FINETUNE),
        ("presets/smoke", {"attacks": {"fgsm": {"treads": 1}}}, ATTACK),
        ("attacks", {"treads": {}}, ATTACK),
        ("attacks", {"attacks": {"fgsm": {"treads": 1}}}, ATTACK),
        ("attacks", {"suites": {"table7": {"treads": 1}}}, ATTACK),
        ("recipes", {"paper": {"treads": 1}}, FINETUNE),
        ("recipes", {"paper": {"transforms": {"rt2": {"treads": 1}}}}, FINETUNE),
        ("transforms", {"rt2": {"treads": 1}}, FINETUNE),
        ("tables/table7", {"treads": 1}, TABLE),
        ("tables/table7", {"defaults": {"treads": "x"}}, TABLE),
        ("datasets", {"cifar10_slice": {"treads": 1}}, ("fetch", "--dataset", "cifar10_slice")),
        (
            "checkpoints",
            {"deepfill-places2": {"treads": 1}},
            ("checkpoint", "--name", "deepfill-places2"),
        ),
        ("deviations", {"treads": 1}, TABLE),
    ],
)
def test_a_key_that_is_not_known(
    complain: Complain,
    small: Path,
    change: Callable[[str, Changes], None],
    file: str,
    changes: Changes,
    command: tuple[str, ...],
) -> None:
    change(file, changes)
    line = complain(*command)
    assert f"{file}.yaml: " in line
    assert "treads" in line


@pytest.mark.parametrize(
    ("file", "changes", "command", "expected"),
    [
        ("presets/smoke", {"device": "tpu"}, TABLE, ["device", "tpu", "cpu"]),
        ("presets/smoke", {"evaluation": {"n": 0}}, TABLE, ["evaluation.n", "0"]),
        ("presets/smoke", {"evaluation": {"n": "many"}}, TABLE, ["evaluation.n", "many"]),
        ("presets/smoke", {"evaluation": {"n": ...}}, TABLE, ["evaluation", "'n'", "required"]),
        ("presets/smoke", {"stages": {"l_org": {"lr": "1e-3"}}}, FINETUNE, ["stages.l_org.lr"]),
        (
            "presets/smoke",
            {"compute": {"train": {"precision": "fast"}}},
            FINETUNE,
            ["fast", "auto"],
        ),
        (
            "presets/smoke",
            {"compute": {"train": {"channels_last": "fast"}}},
            FINETUNE,
            ["compute.train.channels_last", "fast", "auto"],
        ),
        (
            "presets/smoke",
            {"compute": {"train": {"precision": "auto", "precisions": ["float8"]}}},
            FINETUNE,
            ["compute.train.precisions", "float8", "bfloat16"],
        ),
        (
            "presets/smoke",
            {"compute": {"attack": {"precision": "tf32", "precisions": ["tf32"]}}},
            ATTACK,
            ["compute.attack", "'precisions' needs precision: auto"],
        ),
        ("attacks", {"attacks": {"fgsm": {"eps": 0.03}}}, ATTACK, ["attacks.fgsm.eps", "string"]),
        ("attacks", {"attacks": {"fgsm": {"eps": "8/0"}}}, ATTACK, ["fgsm", "8/0"]),
        ("attacks", {"attacks": {"fgsm": {"eps": "eight"}}}, ATTACK, ["fgsm", "eight"]),
        ("attacks", {"attacks": {"fgsm": {"method": "fgms"}}}, ATTACK, ["fgms", "fgsm", "pgd"]),
        ("recipes", {"paper": {"mask": "sometimes"}}, FINETUNE, ["paper.mask", "per_batch"]),
    ],
)
def test_a_value_that_is_wrong(
    complain: Complain,
    small: Path,
    change: Callable[[str, Changes], None],
    file: str,
    changes: Changes,
    command: tuple[str, ...],
    expected: list[str],
) -> None:
    change(file, changes)
    line = complain(*command)
    assert f"{file}.yaml: " in line
    assert all(word in line for word in expected)


@pytest.mark.parametrize("file", ["presets/smoke", "attacks", "transforms", "tables/table7"])
@pytest.mark.parametrize("text", ["a: [1", "a: 1\n\tb: 2", "a: 1\na b"])
def test_what_is_not_yaml(complain: Complain, small: Path, file: str, text: str) -> None:
    (config.folder() / f"{file}.yaml").write_text(text)
    config.forget()
    command = FINETUNE if file in ("transforms", "presets/smoke") else ATTACK
    line = complain(*(TABLE if file.startswith("tables") else command))
    assert f"{file}.yaml: not YAML: " in line
    assert "line " in line


@pytest.mark.parametrize(
    ("file", "changes", "expected"),
    [
        ("attacks", {"suites": {"table7": {"attacks": ["clean", "fgms"]}}}, ["table7", "fgms"]),
        ("presets/smoke", {"attacks": {"fgms": {}}}, ["fgms", "fgsm"]),
        ("presets/smoke", {"attacks": {"fgsm": {"stepz": 1}}}, ["fgsm", "stepz", "eps"]),
        ("tables/table7", {"suite": "table77"}, ["table77", "table7"]),
        ("tables/table7", {"pairs": [["rt1-atopp", "rt1-none"]]}, ["rt1-atopp", "rt1-atop"]),
        ("presets/smoke", {"sizes": {"purifier": 44}}, ["sizes.purifier", "44", "8x8"]),
        ("tables/table7", {"defaults": {"classifier": "resnet19"}}, ["resnet19", "resnet18"]),
        ("tables/table7", {"defaults": {"purifier": "deepfil"}}, ["deepfil'", "deepfill"]),
    ],
)
def test_names_that_files_do_not_share(
    change: Callable[[str, Changes], None],
    file: str,
    changes: Changes,
    expected: list[str],
) -> None:
    """What the Snakefile asks before it plans."""
    validate.check_everything(WORDS)
    change(file, changes)
    with pytest.raises(AtopError) as raised:
        validate.check_everything(WORDS)
    assert all(word in str(raised.value) for word in expected)


def test_words_of_the_command_line() -> None:
    said = {"allow_cpu": "true", "init": "null", "recipe": "official", "seed": 1}
    plain = {"allow_cpu": True, "init": None, "recipe": "official", "seed": 1}
    assert validate.plain(said) == plain
