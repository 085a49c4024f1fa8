"""Checks of whole records: sound ones, older ones, and those of every suite of the config."""

import subprocess
import sys

import numpy as np
import pytest
from support.attack_records import Record, entry, made, names, record, text

from atop.experiment import config, presets
from atop.experiment.settings.attacks import parse_entry
from atop.results.checks import findings

SOUND = {"clean": 90, "noise": 85, "fgsm": 40, "pgd-10": 20, "pgd-20": 18}


def test_a_sound_record_raises_no_suspicion() -> None:
    assert findings(made(SOUND)) == []
    assert findings(made(SOUND, grey=True)) == []


def test_records_of_before_probes_and_targets_can_be_read() -> None:
    old = made({"fgsm": 10, "pgd-20": 20}, grey=True)
    del old["target"]
    for one in old["evaluations"]:
        del one["adversarial"]
        one["distance"]["unmoved"] = None
    assert names(old) == ["single-step-beats-iterative"]


def test_accuracy_is_a_mean_over_draws_and_few_examples_are_counted() -> None:
    several = record(entry("fgsm", [8, 12]), entry("pgd-20", [15, 25]))
    assert "fgsm (10.0%) beats pgd-20 (20.0%)" in text(several)
    assert text(made({"fgsm": 5, "pgd-20": 30}, n=50)).endswith("masked gradients, n = 50")


def suite(name: str, preset: str, right: dict[str, float], n: int = 64) -> Record:
    """A record of a suite of the config: shares of examples left, else 0.5; a chain finds a bit."""
    row = presets.get(preset).suite(name)
    entries = []
    for one in row.attacks:
        budget = presets.get(preset).attack(parse_entry(one, "").attack)
        chain = [link.after for link in presets.get(preset).chain(budget)]
        follows = sum(name in row.attacks for name in chain if name != "clean-native")
        usual = 0.8 if one.startswith("clean") or "noise" in one else 0.5 - 0.02 * follows
        count = round(n * right.get(one, usual))
        entries.append(entry(one, count, budget.given(), n=n, attacked=n // 2))
    return record(*entries, n=n)


@pytest.mark.parametrize(
    ("name", "right", "expected"),
    [
        ("strict", {}, []),
        ("strict", {"strict-square": 0.2}, []),
        ("strict", {"strict-square-clean": 0.2}, ["black-box-beats-white-box"]),
        ("strict", {"aa-linf-standard": 0.4}, ["black-box-beats-white-box"]),
        ("strict", {"strict-pgd-margin": 0.3}, ["pgd-beats-autoattack"]),
        ("strict", {"strict-pgd-decay": 0.5}, ["found-nothing"]),
        ("strict", {"strict-pgd@untuned": 0.2}, ["transfer-beats-white-box"]),
        ("strict", {"strict-bpda": 0.2}, ["bpda-beats-exact-gradients"]),
        ("strict", {"strict-fixed": 0.2}, ["stochasticity-carries-robustness"]),
        ("strict", {"strict-noise": 0.46}, ["noise-as-harmful-as-attack"]),
        ("strict", {"stadv-100": 0.2}, ["steps-not-converged"]),
        ("strict", {"strict-pgd-margin": 1.0}, ["label-leaking"]),
        ("convergence", {"conv-eps-128": 0}, []),
        ("convergence", {}, ["eps-sweep-does-not-reach-zero"]),
        ("convergence", {"conv-eps-128": 0, "conv-eot-50": 0.3}, ["eot-not-converged"]),
        ("convergence", {"conv-eps-128": 0, "strict-pgd": 0.3}, ["steps-not-converged"]),
        ("convergence", {"conv-eps-128": 0, "conv-joint-double": 0.3}, ["joint-not-converged"]),
        ("convergence", {"conv-eps-128": 0, "conv-steps-50": 0.7}, ["more-steps-do-not-help"]),
    ],
)
def test_the_suites_of_the_config(name: str, right: dict[str, float], expected: list[str]) -> None:
    assert names(suite(name, "paper", right)) == expected


@pytest.mark.parametrize("preset", presets.names())
def test_every_suite_can_be_read(preset: str) -> None:
    draw = np.random.default_rng(0)
    for name, row in config.attacks().suites.items():
        for _ in range(5):
            right = {one: float(draw.uniform()) for one in row.attacks}
            assert all(one["text"] for one in findings(suite(name, preset, right)))


def test_checks_do_not_import_torch() -> None:
    code = "import sys, atop.results.checks; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
