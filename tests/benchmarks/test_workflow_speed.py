"""Planning and start-up: `pytest tests/benchmarks/test_workflow_speed.py --benchmark-enable`.

Every call of Snakemake plans first, and each of hundreds of jobs starts Python. Times are seconds
of CPU, which other work on the machine changes little.
"""

import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from checkout import Checkout, Said, check_out

from atop import config


def cpu() -> float:
    """Seconds that processes started here have taken, those that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Where nothing has been made yet."""
    return check_out(tmp_path_factory.mktemp("clean"))


def thrice(benchmark: Any, run: Callable[[], Any]) -> Any:
    """Run once, which fills Python's caches, then three times with a clock; what a run returns."""
    return benchmark.pedantic(run, rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="planning", timer=cpu)
@pytest.mark.parametrize("target", ["all", "smoke"])
def test_planning(benchmark: Any, clean: Checkout, target: str) -> None:
    said: Said = thrice(benchmark, lambda: clean.plan("--", target))
    tables = set(config.tables()) - ({"convergence"} if target == "smoke" else set())
    assert said.counts["table"] == len(tables)
    benchmark.extra_info["jobs"] = len(said.jobs)


STARTS = {
    "help": ["-m", "atop", "--help"],
    "table": ["-c", "import atop.render"],
    "attack": ["-c", "import atop.known, atop.adversarial"],
    "torch alone": ["-c", "import torch"],
}


@pytest.mark.benchmark(group="start-up", timer=cpu)
@pytest.mark.parametrize("words", STARTS.values(), ids=STARTS.keys())
def test_start_up(benchmark: Any, clean: Checkout, words: list[str]) -> None:
    command = [sys.executable, *words]
    done = thrice(
        benchmark,
        lambda: subprocess.run(command, check=False, cwd=clean.folder, capture_output=True),
    )
    assert done.returncode == 0, done.stderr
