"""A third purifier as atop/README.md adds it: its file and its rows, from there, and nothing else.

Only budgets, the number of pictures and the table's other rows are cut down.
"""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from support.checkout import SMOKE, Checkout, Said, check_out
from torch import Tensor

from atop.core.files import ROOT, read_json, sha256

pytestmark = pytest.mark.slow

FILE = "atop/method/purifiers/mine.py"
TABLE = "workflow/config/tables/table7.yaml"
RESULTS = ("results/", "tables/smoke/", ".snakemake/")
PICTURES = 16
ATTACKS = ("standard", "fgsm", "pgd-20")
CELL = "cifar10_slice-{}-mine-scratch-rt2-{}-paper-s0"
L_ORG, ATOP = CELL.format("any", "none"), CELL.format("resnet_small", "adversarial")


@dataclass(frozen=True)
class Newcomer:
    """What the README says, where it was done, and how the run ended.

    Attributes:
        code, rows: the README's blocks.
        before, after: SHA-256 of each file that is no result, before any was added and at the end.
    """

    code: str
    rows: str
    checkout: Checkout
    before: dict[str, str]
    after: dict[str, str]
    said: Said

    def trained(self, path: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The weights of a training, and how they came about."""
        weights = self.checkout.folder / f"results/smoke/{path}.safetensors"
        return load_file(weights), read_json(weights.with_suffix(".json"))


def block(language: str, *, with_words: str) -> str:
    """The one code block of the README's chapter that is in a language and has some words."""
    text = (ROOT / "atop" / "README.md").read_text()
    chapter = text.split("## How to add a defence\n")[1].split("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
    (one,) = (block for block in found if with_words in block)
    return one  # type: ignore[no-any-return]


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of all files that are no results, by name."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    kept = (name for name in names if not name.startswith(RESULTS) and "__pycache__" not in name)
    return {name: sha256(folder / name) for name in kept}


def cut_down(checkout: Checkout) -> None:
    """Few pictures, short trainings, half of the attacks; of the rows the undefended one."""
    table = yaml.safe_load((ROOT / TABLE).read_text())
    keys = {row["key"] for part in ("rows", "controls") for row in table[part]}
    changes = {
        "evaluation": {"n": PICTURES},
        "stages": {"pretrain": {"images": 1024}, "l_org": {"images": 256}, "atop": {"images": 256}},
        "suites": {"table7": {"leave_out": ["pgd-10", "pgd-1000", "cw-100"]}},
        "leave_out": {"table7": sorted(keys - {"undefended"})},
    }
    checkout.change("presets/smoke", changes)


def add_rows(checkout: Checkout, rows: str) -> None:
    """Put lines under their headings, as a person would."""
    text = (checkout.folder / TABLE).read_text()
    for heading, lines in re.findall(r"^(\w+:\n)((?:  .*\n)+)", rows, re.MULTILINE):
        assert text.count(f"\n{heading}") == 1, heading
        text = text.replace(f"\n{heading}", f"\n{heading}{lines}")
    checkout.write(TABLE, text)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """The README's file and rows in a checkout, and its command."""
    checkout = check_out(tmp_path_factory.mktemp("newcomer"))
    cut_down(checkout)
    before = hashes(checkout.folder)
    code = block("python", with_words="def build(")
    rows = block("yaml", with_words="purifier: mine")
    checkout.write(FILE, code)
    add_rows(checkout, rows)
    command = re.search(r"^snakemake (.*)$", block("console", with_words=SMOKE), re.MULTILINE)
    assert command
    said = checkout.run(*command[1].split())
    return Newcomer(code, rows, checkout, before, hashes(checkout.folder), said)


@pytest.fixture(scope="module")
def frame(newcomer: Newcomer) -> pd.DataFrame:
    """The numbers of the rendered table, by row and column."""
    assert newcomer.said.code == 0, newcomer.said.text
    found = pd.read_csv((newcomer.checkout.folder / SMOKE).with_suffix(".csv"))
    return found[found["column"].isin(ATTACKS)].set_index(["row", "column"])


def test_it_is_little_to_write(newcomer: Newcomer) -> None:
    added = newcomer.code.splitlines() + newcomer.rows.splitlines()
    assert len(added) < 80
    assert all(len(line) <= 100 for line in newcomer.code.splitlines())


def test_nothing_else_of_the_project_changes(newcomer: Newcomer) -> None:
    """Neither has a person to, nor does the run."""
    assert newcomer.said.code == 0, newcomer.said.text
    before, after = newcomer.before.items(), newcomer.after.items()
    assert {name for name, _ in before ^ after} == {FILE, TABLE}


@pytest.mark.parametrize("row", ["mine-none", "mine-atop", "undefended"])
def test_its_rows_are_measured(frame: pd.DataFrame, row: str) -> None:
    measured = frame.loc[row]
    assert len(measured) == 3
    assert measured["measured"].between(0, 100).all()
    assert (measured["n"] == PICTURES).all()


def test_its_rows_are_compared(newcomer: Newcomer, frame: pd.DataFrame) -> None:
    text = (newcomer.checkout.folder / SMOKE).read_text()
    (line,) = re.findall(r"^\| RT2, mine, AToP yes \| RT2, mine, AToP no \|(.*)\|$", text, re.M)
    gains = [float(gain) for gain in re.findall(r"\*\*([+-]?\d+\.\d)\*\* \[", line)]
    after, before = (frame.loc[row]["measured"].tolist() for row in ("mine-atop", "mine-none"))
    expected = [one - other for one, other in zip(after, before, strict=True)]
    assert gains == pytest.approx(expected, abs=0.06)


def test_it_learns_in_each_stage(newcomer: Newcomer, frame: pd.DataFrame) -> None:
    """L1 falls while it is pretrained, and each stage leaves other weights than it was given."""
    paths = ("pretrained/cifar10_slice-mine", f"purifiers/{L_ORG}", f"purifiers/{ATOP}")
    (first, about), (second, _), (third, tuned) = map(newcomer.trained, paths)
    l1 = [row["l1"] for row in about["history"]]
    assert sum(l1[-10:]) < 0.8 * sum(l1[:10])
    assert {"l1", "ce"} <= tuned["history"][-1].keys()
    for old, new in ((first, second), (second, third)):
        assert old.keys() == new.keys()
        assert not any(torch.equal(old[name], new[name]) for name in old)


def test_the_contract_tests_find_it(newcomer: Newcomer) -> None:
    folder = newcomer.checkout.folder
    junk = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=junk)
    shutil.copy2(ROOT / "pyproject.toml", folder)
    words = shlex.split(block("console", with_words="pytest tests/contract").splitlines()[-1])
    done = run(folder, *words)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^[1-9]\d* passed", done.stdout.splitlines()[-1].strip("= "))


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("", "{file}: no function build(**options) that returns one"),
        (
            "def build(*, width: int) -> None: ...",
            "{preset}: purifiers/mine: options {{}} do not fit: build() missing 1 required "
            "keyword-only argument: 'width'",
        ),
    ],
    ids=["no build", "an option that no preset has"],
)
def test_a_mistake_in_its_file_is_one_line(fresh: Checkout, code: str, line: str) -> None:
    fresh.write(FILE, f'"""Mine."""\n\n{code}\n')
    words = ("--preset", "smoke", "--dataset", "cifar10_slice", "--purifier", "mine")
    done = run(fresh.folder, "atop", "pretrain", *words)
    assert done.returncode != 0
    preset = "workflow/config/presets/smoke.yaml"
    said = line.format(file=fresh.folder / FILE, preset=fresh.folder / preset)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A module of Python's with the checkout's own code."""
    return subprocess.run(
        [sys.executable, "-m", *words], check=False, cwd=folder, capture_output=True, text=True
    )
