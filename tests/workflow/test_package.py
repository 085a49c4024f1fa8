"""The package where there is no checkout: built, installed into a fresh environment, used."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from atop.core.files import ROOT, read_json

pytestmark = pytest.mark.slow

KINDS = ("wheel", "sdist")
DEFENSE = """
from torch import nn

def build():
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 10)).eval()
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel and an sdist."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--wheel"]
    subprocess.run([*command, "--outdir", out, ROOT], check=True, capture_output=True)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


@pytest.fixture(scope="module", params=KINDS)
def python(
    request: pytest.FixtureRequest, built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Python of an environment with the package, and what it depends on from here."""
    folder = tmp_path_factory.mktemp(f"environment-{request.param}")
    venv.create(folder)
    python = folder / "bin" / "python"
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    pip = [sys.executable, "-m", "pip", "--python", python, "install", *options]
    (site,) = folder.glob("lib/python*/site-packages")
    # A path that a .pth adds has no .pth of its own, so an editable install here stays out.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([*pip, built[request.param]], check=True)
    return python


def run(python: Path, *words: str, where: Path, **environment: str) -> str:
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    command = [python.parent / "atop", *words]
    done = subprocess.run(
        command, cwd=where, env=kept | environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_released_tables_render_where_there_is_no_checkout(python: Path, tmp_path: Path) -> None:
    run(python, "released", "--table", "table7", where=tmp_path)
    page = tmp_path / "tables" / "released" / "table7.md"
    assert page.read_text() == (ROOT / "tables" / "released" / "table7.md").read_text()
    assert "smoke" in page.read_text()


def test_commands_work_from_anywhere(python: Path, tmp_path: Path) -> None:
    assert "benchmark" in run(python, "--help", where=tmp_path)
    assert "records" in run(python, "verify", where=tmp_path)
    text = run(python, "cost", "table7", "--preset", "smoke", "--no-calibration", where=tmp_path)
    assert "Table 7" in text or "table7" in text
    code = "import atop.core.files as f; print(f.CHECKOUT, f.PACKAGE, f.ROOT.name)"
    said = subprocess.run(
        [python, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.split()
    assert said[0] == "None"
    assert not Path(said[1]).is_relative_to(ROOT)
    assert said[2] == "files"


def test_a_defence_is_evaluated_into_the_folder_that_the_user_names(
    python: Path, tmp_path: Path
) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    (here / "mine.py").write_text(DEFENSE)
    words = "benchmark mine.py --protocol smoke --n 2 --threads 1 --device cpu --out table"
    text = run(python, *words.split(), where=here, ATOP_HOME=str(home), PYTHONDONTWRITEBYTECODE="1")
    assert "Worst case, mean" in text
    assert sorted(path.name for path in here.iterdir()) == ["mine.py", "table"]
    assert {path.name for path in (home / "results").iterdir()} >= {"data", "defenses"}
    record = read_json(here / "table" / "strict-defense.json")
    assert record["provenance"]["commit"] is None
    assert record["n"] == 2


def test_types_travel_with_the_package(python: Path) -> None:
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    assert (site / "atop" / "py.typed").exists()
    assert not (site / "atop" / "files" / "results" / "released" / "weights").exists()
