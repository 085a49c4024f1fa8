"""The files of the workflow: formatted, linted, small, and functions only where they belong."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml
from support.checkout import Checkout

from atop.core.files import ROOT

SNAKEFMT = shutil.which("snakefmt", path=f"{sys.prefix}/bin")
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))


def test_lint(clean: Checkout) -> None:
    said = clean.run("--lint")
    assert said.code == 0, said.text
    assert "Lints for" not in said.text, said.text


@pytest.mark.skipif(SNAKEFMT is None, reason="pip install snakefmt")
def test_snakefmt() -> None:
    command = [str(SNAKEFMT), "--check", "--diff", "Snakefile", "workflow/rules"]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_sizes() -> None:
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 60
    assert len(RULES) > 5
    for path in RULES:
        assert len(path.read_text().splitlines()) < 130, path.name


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_functions_only_in_common(path: str) -> None:
    text = (ROOT / path).read_text()
    rules = re.findall(r"^(?:rule|checkpoint) ", text, re.MULTILINE)
    functions = re.findall(r"^\s*(?:def|class) ", text, re.MULTILINE)
    assert bool(functions) == (not rules) == ("common" in str(path))


def test_every_rule_is_one_verb() -> None:
    for path in RULES:
        text = path.read_text()
        commands = text.count("python -m atop ")
        assert len(re.findall(r"^rule ", text, re.MULTILINE)) == commands, path.name
        assert text.count("2>&1 | tee {log}") == commands, path.name


def test_profile_takes_effect(clean: Checkout) -> None:
    profile = yaml.safe_load((ROOT / "workflow/profiles/local/profile.yaml").read_text())
    assert profile["rerun-incomplete"] is True
    assert profile["cores"] == "all"
    said = clean.run(
        "-n", "--workflow-profile", "workflow/profiles/local", "--", "results/paper/device"
    )
    assert said.counts == {"device": 1}
    assert "workflow/profiles/local" in said.text
