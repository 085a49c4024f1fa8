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
from support.checkout import Checkout, Said, check_out

from atop.experiment import config


def cpu() -> float:
    """Seconds that processes started here have taken, those that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Where nothing has been made yet."""
    return check_out(tmp_path_factory.mktemp("clean"))


def thrice(benchmark: Any, run: Callable[[], Any], what: str) -> Any:
    """Run once, which fills Python's caches, then three times with a clock; what a run returns."""
    result = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    if benchmark.enabled:
        seconds = round(benchmark.stats.stats.median, 2)
        benchmark.extra_info |= {"what": f"{what}, CPU seconds", "seconds": seconds}
    return result


@pytest.mark.benchmark(group="Suite", timer=cpu)
@pytest.mark.parametrize("target", ["all", "smoke"])
def test_planning(benchmark: Any, clean: Checkout, target: str) -> None:
    pytest.importorskip("snakemake")
    what = {"all": "plan all tables", "smoke": "plan preset smoke"}[target]
    said: Said = thrice(benchmark, lambda: clean.plan("--", target), what)
    tables = set(config.tables()) - ({"convergence"} if target == "smoke" else set())
    assert said.counts["table"] == len(tables)
    benchmark.extra_info["jobs"] = len(said.jobs)


STARTS = {
    "--help": ["-m", "atop", "--help"],
    "imports of a table": ["-c", "import atop.reporting.render"],
    "imports of an attack": ["-c", "import atop.pipeline.attacking.adversarial_sets"],
    "imports of torch alone": ["-c", "import torch"],
}


@pytest.mark.benchmark(group="Suite", timer=cpu)
@pytest.mark.parametrize("what", STARTS)
def test_start_up(benchmark: Any, clean: Checkout, what: str) -> None:
    command = [sys.executable, *STARTS[what]]
    done = thrice(
        benchmark,
        lambda: subprocess.run(command, check=False, cwd=clean.folder, capture_output=True),
        what,
    )
    assert done.returncode == 0, done.stderr
