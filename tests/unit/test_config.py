"""Every shipped file is valid; a mistake is one line that names file, key and what would do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atop.core.errors import AtopError
from atop.core.files import ROOT
from atop.core.values import number
from atop.experiment import config, presets, validate
from atop.experiment.cells import Cell
from atop.experiment.settings.attacks import AttackFile
from atop.experiment.settings.deviations import Deviations
from atop.experiment.settings.image_grids import ImageGrids
from atop.experiment.settings.inputs import Checkpoints, Classifiers, Datasets, Transforms
from atop.experiment.settings.presets import PresetSettings
from atop.experiment.settings.protocols import Protocols
from atop.experiment.settings.recipes import Recipes
from atop.experiment.settings.runs import QueueSpec, UserConfig
from atop.experiment.settings.tables import TableSpec
from atop.experiment.tables import table

FOLDER = ROOT / "workflow" / "config"
MODELS: dict[str, Any] = {
    "attacks": AttackFile, "checkpoints": Checkpoints, "classifiers": Classifiers,
    "config": UserConfig, "datasets": Datasets, "deviations": Deviations,
    "image_grids": ImageGrids, "presets": PresetSettings, "protocols": Protocols,
    "queue": QueueSpec, "recipes": Recipes,
    "tables": TableSpec, "transforms": Transforms,
}  # fmt: skip
"""Models of files, and of all files of a folder."""
FILES = sorted(path.relative_to(FOLDER).with_suffix("") for path in FOLDER.rglob("*.yaml"))
CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
Change = Callable[[str, dict[str, Any]], None]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_shipped_file_is_valid(file: Path) -> None:
    assert config.load(str(file), MODELS[file.parts[0]])


def test_what_the_shipped_files_name_exists() -> None:
    validate.check_everything({})


MISTAKES: list[tuple[str, dict[str, Any], Callable[[], Any], str]] = [
    ("presets/smoke", {"sede": 0}, lambda: presets.get("smoke"),
     r"presets/smoke\.yaml: top level: 'sede' was unexpected; known keys are about, .*seed"),
    ("presets/smoke", {"sizes": {"purifyer": 64}}, lambda: presets.get("smoke"),
     r"presets/smoke\.yaml: sizes: 'purifyer' was unexpected; known keys are input, purifier, cl"),
    ("presets/smoke", {"evaluation": {"n": "many"}}, lambda: presets.get("smoke"),
     r"presets/smoke\.yaml: evaluation\.n: should be a valid integer, not 'many'"),
    ("presets/smoke", {"evaluation": {"n": 0}}, lambda: presets.get("smoke"),
     r"presets/smoke\.yaml: evaluation\.n: should be greater than or equal to 1, not 0"),
    ("presets/smoke", {"evaluation": {"grey_box": "most"}}, lambda: presets.get("smoke"),
     r"presets/smoke\.yaml: evaluation\.grey_box: should be 'all' or be a valid integer"),
    ("presets/smoke", {"stages": {"atop": {"clip": "none"}}}, lambda: presets.get("smoke"),
     r"presets/smoke\.yaml: stages\.atop\.clip: should be a valid number, not 'none'"),
    ("presets/smoke", {"stages": {"atop": {"warmup": None}}}, lambda: presets.get("smoke"),
     r"presets/smoke\.yaml: stages\.atop: 'warmup' is null"),
    ("presets/smoke", {"stages": {"atop": {"overrides": {"rt3": {"warmup": None}}}}},
     lambda: presets.get("smoke"),
     r"presets/smoke\.yaml: stages\.atop\.overrides\.rt3: 'warmup' is null"),
    ("presets/smoke", {"stages": {"atop": {"overrides": {"rt3": {"lr": -1}}}}},
     lambda: presets.get("smoke"),
     r"stages\.atop\.overrides\.rt3\.lr: should be greater than 0, not -1"),
    ("presets/smoke", {"seed": ...}, lambda: presets.get("smoke"),
     r"presets/smoke\.yaml: top level: 'seed' is a required property"),
    ("attacks", {"attacks": {"pgd-10": {"eps": 0.03}}},
     lambda: presets.get("smoke").attack("pgd-10"),
     r"attacks\.yaml: attacks\.pgd-10\.eps: should be a valid string, not 0\.03"),
    ("attacks", {"suites": {"table7": {"atacks": []}}},
     lambda: presets.get("smoke").suite("table7"),
     r"attacks\.yaml: suites\.table7: 'atacks' was unexpected; known keys are target, attacks, dr"),
    ("recipes", {"paper": {"l1_target": "both"}}, lambda: config.recipe("paper"),
     r"recipes\.yaml: paper\.l1_target: should be 'adversarial' or 'clean', not 'both'"),
    ("datasets", {"cifar10": {"sha256": {"test": "abc"}}}, lambda: config.dataset("cifar10"),
     r"datasets\.yaml: cifar10\.sha256\.test: should match pattern .*, not 'abc'"),
    ("tables/table7", {"rowz": []}, lambda: table("table7", presets.get("smoke")),
     r"tables/table7\.yaml: top level: 'rowz' was unexpected; known keys are .*rows"),
    ("presets/smoke", {"attacks": {"pgd-10": {"stepz": 3}}},
     lambda: presets.get("smoke").attack("pgd-10"),
     r"presets/smoke\.yaml: attacks\.pgd-10: pgd-10 has no 'stepz'"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "changes", "use", "told"), MISTAKES)
def test_a_mistake_is_named_in_one_line(
    change: Change, file: str, changes: dict[str, Any], use: Callable[[], Any], told: str
) -> None:
    use()
    change(file, changes)
    with pytest.raises(AtopError, match=told) as found:
        use()
    assert "\n" not in str(found.value)
    assert str(config.folder()) in str(found.value)


def test_null_is_a_value_where_the_model_says_so(change: Change) -> None:
    change("presets/smoke", {"stages": {"atop": {"overrides": {"rt3": {"clip": None}}}}})
    smoke = presets.get("smoke")
    assert smoke.finetuning(replace(CELL, transform="rt3")).clip is None
    assert smoke.finetuning(replace(CELL, transform="rt1")).clip == 1.0


UNKNOWN: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: presets.get("huge"),
        "presets/huge.yaml: no such file; known are embedded, native",
    ),
    (
        lambda: table("table77", presets.get("smoke")),
        "tables/table77.yaml: no such file; known are convergence",
    ),
    (
        lambda: presets.get("smoke").attack("pgd-11"),
        "no attack 'pgd-11'; known are clean, fgsm, pgd-10",
    ),
    (lambda: presets.get("smoke").suite("table77"), "no suite 'table77'; known are table7"),
    (lambda: config.dataset("mnist"), "datasets.yaml: no 'mnist'; known are cifar10"),
    (lambda: config.transform("rt9"), "transforms.yaml: no 'rt9'; known are none, rt1, rt2, rt3"),
    (lambda: config.checkpoint("moon"), "checkpoints.yaml: no 'moon'; known are deepfill-places2"),
    (
        lambda: config.recipe("secret"),
        "no 'secret'; known are paper, minmax, official",
    ),
]


@pytest.mark.parametrize(("use", "told"), UNKNOWN)
def test_an_unknown_name_is_answered_with_the_known_ones(use: Callable[[], Any], told: str) -> None:
    with pytest.raises(AtopError, match=told):
        use()


def test_a_file_that_is_not_yaml_is_named(change: Change) -> None:
    path = config.folder() / "attacks.yaml"
    path.write_text("attacks: {pgd-10: [")
    config.forget()
    with pytest.raises(AtopError, match=r"attacks\.yaml: not YAML: ") as found:
        config.attacks()
    assert "\n" not in str(found.value)
    path.write_text("")
    with pytest.raises(
        AtopError, match=r"attacks\.yaml: top level: should be keys and values, not None"
    ):
        config.attacks()


def test_numbers_stay_exact() -> None:
    assert number("8/255") == 8 / 255
    assert number("0.5") == 0.5
    assert number(2) == 2.0


def test_a_recipe_has_overrides_by_transform_and_by_preset(change: Change) -> None:
    rt2 = replace(CELL, recipe="official")
    rt1 = replace(rt2, transform="rt1")
    assert presets.get("paper").recipe(rt2).ce_after_images == 10000
    assert presets.get("paper").recipe(rt1).ce_after_images == 0
    assert "transforms" not in presets.get("paper").recipe(rt1).given()
    change("presets/smoke", {"recipe": {"ce_weight": 0.7}})
    assert presets.get("smoke").recipe(rt1).ce_weight == 0.7
    assert presets.get("paper").recipe(rt1).ce_weight == 0.05


def test_the_grey_box_may_have_more_images_than_other_suites(change: Change) -> None:
    def n(suite: str, target: str, dataset: str = "cifar10") -> int:
        return presets.get("paper").evaluated(suite, replace(CELL, dataset=dataset), target)

    assert n("table7", "classifier") == 10_000
    assert n("table7", "classifier", "imagenette") == config.dataset("imagenette").test_size
    # An attack on the whole defence is made for it alone; other suites' sets are no grey box.
    assert n("table7", "defense") == n("strict", "defense") == n("table8", "classifier") == 512
    assert n("convergence", "defense") == 64
    assert presets.get("paper").examples("pgd-20", "cifar10", "classifier") == 10_000
    assert presets.get("paper").examples("pgd-20", "cifar10", "defense") == 512
    assert presets.get("paper").examples("strict-pgd", "cifar10", "classifier") == 512
    assert presets.get("native").evaluated("table7", CELL, "classifier") == 512
    change("attacks", {"attacks": {"fgsm": {"after": "strict-noise", "examples": 700}}})
    assert n("table7", "classifier") == 700
    assert presets.get("paper").examples("strict-noise", "cifar10", "classifier") == 10_000
    change("presets/paper", {"evaluation": {"grey_box": 600}})
    assert n("table7", "classifier") == 600


def test_a_preset_scales_attacks_down_and_says_so(change: Change) -> None:
    change("presets/smoke", {"attacks": {"pgd-20": {"steps": 7}}})
    scaled = presets.get("smoke").attack("pgd-20")
    assert (scaled.steps, scaled.scaled) == (7, {"steps": 20})
    assert presets.get("paper").attack("pgd-20").steps == 20
    assert "scaled" not in presets.get("paper").attack("pgd-20").given()


def test_another_version_of_autoattack_is_no_smaller_budget(change: Change) -> None:
    change("presets/smoke", {"attacks": {"strict-square": {"version": "official", "queries": 7}}})
    row = presets.get("smoke").attack("strict-square")
    assert row.version == "official"
    assert "version" not in row.scaled
    assert row.scaled["queries"] == 1000


def test_every_row_of_autoattack_says_its_version_and_official_ones_alone_are_gated(
    change: Change,
) -> None:
    rows = config.attacks().attacks
    gated = {name for name, row in rows.items() if row.version == "official"}
    assert gated == {"official", "official-1", "official-2", "official-3"}
    change("attacks", {"attacks": {"strict-square": {"version": ...}}})
    with pytest.raises(AtopError, match=r"attacks\.strict-square: 'version' is a required"):
        config.attacks()
