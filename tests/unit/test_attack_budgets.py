"""Budgets as text."""

from collections.abc import Callable
from typing import Any

import pytest

from atop.experiment import presets
from atop.experiment.settings.attacks import AttackSpec
from atop.experiment.tables import table
from atop.reporting import attack_budgets

PGD = {"method": "pgd", "norm": "Linf", "eps": "8/255", "step_size": "0.007", "steps": 200}


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        ({"method": "clean"}, ""),
        ({"method": "clean", "pixels": "native"}, "at the data's size"),
        ({"method": "fgsm", "norm": "Linf", "eps": "8/255", "eot": 1}, "Linf 8/255"),
        (
            {"method": "cw", "norm": "L2", "c": 1.0, "steps": 100},
            "L2 without bound, 100 steps, c 1.0",
        ),
        (
            {"method": "pgd", "norm": "L2", "eps": "0.5", "eot": 2, "scaled": {"eot": 20}},
            "L2 0.5, EOT 2 (paper preset: 20)",
        ),
        (
            {"method": "pgd", "norm": "L2", "eps": "1", "eot": 1, "scaled": {"eot": 20}},
            "L2 1, EOT 1 (paper preset: 20)",
        ),
        (
            {**PGD, "pixels": 48, "examples": 32, "scaled": {"pixels": None, "examples": None}},
            "Linf 8/255 at 48 pixels (paper preset: the size of its inputs), step 0.007, "
            "200 steps, 32 images (paper preset: all)",
        ),
        (
            {**PGD, "eps": "4/255", "pixels": None, "scaled": {"eps": "8/255"}},
            "Linf 4/255 (paper preset: 8/255), step 0.007, 200 steps",
        ),
        (
            {**PGD, "random_start": True, "loss": "cross_entropy", "average": "loss",
             "through": "exact", "restarts": 1, "judge": 1, "after": "clean"},
            "Linf 8/255, step 0.007, 200 steps",
        ),
        (
            {**PGD, "random_start": False, "loss": "margin", "average": "logits",
             "through": "bpda", "restarts": 3, "judge": 20},
            "Linf 8/255, loss margin, step 0.007, 200 steps, 3 restarts, 20 judge draws, "
            "average logits, BPDA, no random start",
        ),
        ({**PGD, "through": "fixed"}, "Linf 8/255, step 0.007, 200 steps, one fixed, known draw"),
        (
            {**PGD, "average": "hardest", "schedule": "cosine"},
            "Linf 8/255, step 0.007, 200 steps, the hardest draw, cosine schedule",
        ),
        (
            {**PGD, "method": "features", "through": "purified", "schedule": "constant"},
            "Linf 8/255, step 0.007, 200 steps, distance of the purified image",
        ),
        ({**PGD, "average": "probabilities", "targets": 3},
         "Linf 8/255, step 0.007, 200 steps, 3 targets, average probabilities"),
        (
            {"method": "autoattack", "attack": "square", "version": "judged", "queries": 9},
            "square, 9 queries",
        ),
        (
            {"method": "autoattack", "attack": "square", "version": "official", "queries": 9},
            "square, 9 queries, gated as in the library",
        ),
        (
            {"method": "stadv", "bound": "0.05", "pixels": 32, "eot": 20},
            "flow 0.05 at 32 pixels, EOT 20",
        ),
    ],
)  # fmt: skip
def test_text(budget: dict[str, Any], text: str) -> None:
    assert attack_budgets.text(AttackSpec(**budget), presets.get("paper")) == text


def test_an_attack_that_starts_from_others_lists_them_all(
    change: Callable[[str, dict[str, Any]], None],
) -> None:
    both = {"norm": "Linf", "eps": "8/255", "judge": 5}
    first = {**both, "method": "pgd", "steps": 9, "after": "clean"}
    second = {**both, "method": "fgsm", "eot": 3, "after": "one"}
    change("attacks", {"attacks": {"one": first, "two": second}})
    assert attack_budgets.text(presets.get("paper").attack("two"), presets.get("paper")) == (
        "Linf 8/255, 9 steps; then EOT 3, 5 judge draws"
    )
    assert (
        attack_budgets.text(AttackSpec(**second | {"after": "gone"}), presets.get("paper"))
        == "Linf 8/255, EOT 3, 5 judge draws"
    )


def test_what_changed_in_a_header() -> None:
    scaled = {"steps": 200, "eps": "8/255", "pixels": None, "judge": 20}
    budget = {**PGD, "steps": 3, "pixels": 48, "judge": 4, "eot": 2, "scaled": scaled}
    assert attack_budgets.changes(AttackSpec(**budget)) == ["3 steps", "eps 8/255"]


def test_a_worst_case_names_its_attacks_and_an_entry_its_target() -> None:
    strict = table("strict", presets.get("paper"))
    column = strict.column("transfer")
    run = attack_budgets.as_run(strict, column, [])
    assert attack_budgets.column_text(strict, column, run) == (
        "for each image the worst of PGD on f alone (grey box), strict-pgd@untransformed, "
        "strict-pgd@untuned"
    )
    texts = {
        entry: attack_budgets.entry_text(strict, entry, budget) for entry, budget in run.items()
    }
    assert [text.rpartition(", ")[2] for text in texts.values()] == [
        "made on the bare classifier",
        "made on the defence without its transform",
        "made on the purifier before its fine-tuning",
    ]
    worst = strict.column("worst")
    text = attack_budgets.column_text(strict, worst, attack_budgets.as_run(strict, worst, []))
    assert text.startswith(
        "for each image the worst of clean images, Noise, PGD, PGD margin loss, "
    )
