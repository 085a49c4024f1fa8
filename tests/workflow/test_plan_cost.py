"""The stages of a table are the jobs that Snakemake plans."""

from typing import Any

import pytest
from support.checkout import Checkout

from atop.experiment import paths, presets
from atop.experiment.stages.plan import of_tables
from atop.experiment.tables import table

pytestmark = pytest.mark.slow

COSTLY = ("classifier", "pretrain", "finetune", "tune", "attack", "evaluate")


@pytest.mark.parametrize(
    ("names", "preset", "words"),
    [
        ("table7", "paper", {"init": "scratch"}),
        ("table2 table3", "paper", {"extras": True}),  # which share what is trained
        ("strict", "native", {}),  # sets of other targets, f on t(x)
        ("table5", "native", {"recipe": "official", "seed": 1}),  # two suites
        ("figure4", "smoke", {}),  # a robust classifier
        ("table8", "smoke", {"target": "untuned"}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_stages_are_jobs(clean: Checkout, names: str, preset: str, words: dict[str, Any]) -> None:
    where = paths.tables_of(preset)
    said = [f"{word}={value}" for word, value in words.items()]
    files = [f"{where}/{name}.md" for name in names.split()]
    plan = clean.plan(*(["--config", *said] if said else []), "--", *files)
    assert plan.code == 0, plan.text
    planned = sorted(job.outputs[0] for rule in COSTLY for job in plan.of(rule))
    shown = (table(name, presets.get(preset), **words) for name in names.split())
    assert sorted(str(stage.file) for stage in of_tables(shown)) == planned
