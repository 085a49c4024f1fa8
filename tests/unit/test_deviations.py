"""What the ledger says of presets is what the presets do, and it says nothing of them unchecked."""

import re
from dataclasses import replace
from typing import Any

import pytest

from atop.experiment import config, presets
from atop.experiment.cells import Cell
from atop.experiment.paper import numbers
from atop.experiment.settings.deviations import Deviation

LEDGER = config.deviations()
CELL = Cell(dataset="cifar10", classifier="resnet18", transform="rt2")
CLAIMS = [
    pytest.param(key, preset, value, id=f"{row.id}-{key}-{preset}")
    for row in LEDGER
    for key, told in (row.presets or {}).items()
    for preset, value in told.items()
]
GROUPS = {
    r"\b(GPU presets|presets for a GPU)": {"gpu"},
    r"\b(on a CPU|presets for a CPU|small presets)": {"cpu"},
    r"\b(the other presets|every preset|all presets)": {"cpu", "gpu"},
}
"""Words for several presets, by the devices that these want."""


def runs(key: str, preset: str) -> Any:
    """What a preset does under a key of the ledger; None if it says nothing of it."""
    where, *path = key.split(".")
    if where == "compute":
        found: Any = presets.get(preset).execution(path.pop(0)).model_dump()
    elif where == "recipe":
        found = presets.get(preset).recipe(replace(CELL, recipe=path.pop(0))).given()
    elif where == "attack":
        found = presets.get(preset).attack(path.pop(0)).given()
    else:
        found = presets.get(preset).settings.given().get(where)
    for name in path:
        found = (found or {}).get(name)
    return found


def named(topic: str, here: str) -> set[str]:
    """The presets that a row's text speaks of."""
    text = f"{topic} {here}".replace("presets/*.yaml", "")
    lists = re.findall(r"\bpresets? ((?:\w+(?: \([^)]*\))?(?:, | and )?)+)", text)
    words = {word for one in lists for word in re.findall(r"\w+", one)}
    words |= set(re.findall(r"\w+", text)) - {"paper"}  # which is also what the authors wrote
    devices = {one for words, ones in GROUPS.items() if re.search(words, text) for one in ones}
    known = presets.names()
    grouped = {name for name in known if presets.get(name).settings.device in devices}
    return words & set(known) | grouped


def test_the_ledger_and_the_tables_of_this_repository_are_valid() -> None:
    ids = [row.id for row in LEDGER]
    assert len(set(ids)) == len(ids)
    assert {f"B{i}" for i in range(1, 36)} | {"O1", "O2", "O3"} <= set(ids)
    for name in config.tables():
        spec = config.table(name)
        rows, columns = ({entry.key for entry in part} for part in (spec.rows, spec.columns))
        forgotten = [key for key in numbers(name) if key[0] not in rows or key[1] not in columns]
        assert not forgotten, f"{name}: numbers of the paper that no cell shows"


@pytest.mark.parametrize(("key", "preset", "value"), CLAIMS)
def test_a_preset_does_what_the_ledger_says(key: str, preset: str, value: Any) -> None:
    assert runs(key, preset) == value


@pytest.mark.parametrize("row", LEDGER, ids=lambda row: row.id)
def test_a_row_that_names_a_preset_says_every_presets_value(row: Deviation) -> None:
    claims, names = row.presets or {}, named(row.topic, row.here)
    assert not names or claims
    for key, told in claims.items():
        assert set(told) == set(presets.names()), key
        assert names, f"{key} says more than the text"


def test_presets_are_found_in_words() -> None:
    def found(here: str, topic: str = "x") -> set[str]:
        return named(topic, here)

    assert found("As the paper; recipe paper.") == set()
    assert found("30 epochs in preset paper.") == {"paper"}
    assert found("Off in presets smoke, paper (32 pixels) and native_cpu; else on.") == {
        "smoke", "paper", "native_cpu",
    }  # fmt: skip
    assert found("3 in smoke.") == {"smoke"}
    small = {"smoke", "native_cpu", "slim", "embedded"}
    assert found("All.", "GAN term in small presets") == small
    assert found("TF32 in the GPU presets.") == {"paper", "native"}
    assert found("Elsewhere, as in the other presets, none.") == set(presets.names())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("compute.train.precision", "float32"),  # where a preset says nothing
        ("recipe.official.ce_after_images", 0),  # over what the recipe says
        ("attack.cw-100.steps", 50),
        ("stages.robust.attack", "fgsm"),
        ("evaluation.grey_box", None),
        ("stages.l_org.overrides.dmae.images", None),
    ],
)
def test_values_are_those_that_are_run(key: str, value: Any) -> None:
    assert runs(key, "smoke") == value
