"""A throwaway checkout, and what Snakemake says it would do there."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from atop.core.files import ROOT

HEADLINE = "tables/table7.tex"
SMOKE = "tables/smoke/table7.md"
SNAKEMAKE = [sys.executable, "-m", "snakemake"]


@dataclass(frozen=True)
class Job:
    """A planned job: its rule, and what follows `input:`, `output:`, `wildcards:` and so on."""

    rule: str
    facts: dict[str, str]

    @property
    def inputs(self) -> list[str]:
        return self.facts.get("input", "").split(", ")

    @property
    def outputs(self) -> list[str]:
        return self.facts["output"].split(", ")

    @property
    def wildcards(self) -> dict[str, str]:
        return dict(pair.split("=") for pair in self.facts.get("wildcards", "").split(", "))


@dataclass(frozen=True)
class Said:
    """How a Snakemake run ended and what it printed."""

    code: int
    text: str

    @property
    def jobs(self) -> list[Job]:
        """The jobs of a plan."""
        blocks = re.findall(
            r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", self.text + "\n", re.MULTILINE
        )
        return [Job(rule, dict(re.findall(r"    (\w+): (.*)", body))) for rule, body in blocks]

    def of(self, rule: str) -> list[Job]:
        return [job for job in self.jobs if job.rule == rule]

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs of each rule a plan has; none if there is nothing to be done."""
        assert self.code == 0, self.text
        assert self.jobs or "Nothing to be done" in self.text, self.text
        return dict(Counter(job.rule for job in self.jobs))


@dataclass(frozen=True)
class Checkout:
    """A folder with the files of the repository that a run reads, free to be changed."""

    folder: Path

    def run(self, *arguments: str, **environment: str) -> Said:
        done = subprocess.run(
            [*SNAKEMAKE, *arguments],
            check=False,
            cwd=self.folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=1200,
        )
        return Said(done.returncode, done.stdout + done.stderr)

    def plan(self, *arguments: str) -> Said:
        return self.run("-n", "--cores", "all", *arguments)

    def write(self, name: str, text: str) -> None:
        """Replace a file; `twin` links files, so none is written in place."""
        path = self.folder / name
        temporary = path.with_name(f"{path.name}.new")
        temporary.write_text(text)
        temporary.replace(path)

    def change(self, name: str, changes: dict[str, Any]) -> None:
        """Merge changes into a file of the config."""
        name = f"workflow/config/{name}.yaml"
        old = yaml.safe_load((self.folder / name).read_text())
        self.write(name, yaml.safe_dump(_merged(old, changes), sort_keys=False))

    def twin(self, folder: Path) -> "Checkout":
        """The same files, modification times included, in another folder."""
        shutil.copytree(self.folder, folder, copy_function=os.link)
        return Checkout(folder)


def check_out(folder: Path) -> Checkout:
    """The working tree's files, without results."""
    junk = shutil.ignore_patterns("__pycache__")
    for name in ("atop", "workflow", "tables/paper", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=junk)
    shutil.copy2(ROOT / "Snakefile", folder)
    return Checkout(folder)


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
    return new
