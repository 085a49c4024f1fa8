"""Speed as rows of one table: what was run, where, how fast. `--benchmark-enable` measures.

    pytest tests/benchmarks --benchmark-enable --benchmark-json=results/benchmarks/DEVICE.json

A row is an entry of pytest-benchmark's JSON: `group` is its part of the table, `extra_info.what`
its name there. Without the option everything runs once, small, and is not timed.
"""

import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import torch
from counting import Operations
from measuring import DEVICE, Run, ceiling, timed
from torch import nn

from atop.experiment import config as settings
from atop.method.defense import Defense, Sizes
from atop.method.registry import build

ROUNDS = 5
FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Who measures wants them; everybody else has them among the slow tests."""
    for item in items:
        if FOLDER in item.path.parents and not config.getoption("benchmark_enable"):
            item.add_marker(pytest.mark.slow)


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """The device and the versions, and nothing that names a machine."""
    processor = machine_info["cpu"].get("brand_raw", machine_info["machine"])
    machine_info.clear()
    machine_info |= {
        "device": torch.cuda.get_device_name() if DEVICE.type == "cuda" else processor,
        "cores": os.cpu_count(),
        "versions": dict(_versions()),
    }


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Rows without what nobody reads: they are committed."""
    output_json["commit_info"] = {"id": output_json["commit_info"]["id"]}
    output_json["benchmarks"] = [
        {
            "group": row["group"],
            "name": row["name"],
            "extra_info": row["extra_info"],
            "stats": {key: row["stats"][key] for key in ("min", "median", "iqr", "rounds")},
        }
        for row in output_json["benchmarks"]
    ]


def _versions() -> Iterator[tuple[str, str]]:
    for name in ("torch", "numpy", "pandas", "snakemake"):
        with suppress(PackageNotFoundError):  # a machine lent for speed may lack what plans
            yield name, version(name)


@pytest.fixture(autouse=True)
def all_cores(request: pytest.FixtureRequest) -> Iterator[None]:
    """Measurements take the whole machine; tests share it."""
    threads = torch.get_num_threads()
    if request.config.getoption("benchmark_enable"):
        torch.set_num_threads(os.cpu_count() or 1)
        torch.set_flush_denormal(True)  # as every job does
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def measure(benchmark: Any) -> Callable[..., Any]:
    """Time a run; the row says its speed, and what it takes of the device.

    `measure(run, what, images=..., precision=...)`: with images it says their rate and, of
    runs that multiply, TFLOP/s and their share of what a large product reaches in that precision.
    """

    def once(
        run: Run, what: str, *, images: int = 0, precision: str = "float32", rounds: int = ROUNDS
    ) -> Any:
        if not benchmark.enabled:
            return benchmark(run)
        with Operations() as counted:
            run()
        if DEVICE.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        result = benchmark.pedantic(lambda: timed(run)[0], rounds=rounds, warmup_rounds=1)
        seconds = benchmark.stats.stats.median
        row = {"what": what, "seconds": seconds}
        if images:
            row |= {"images": images, "images_per_second": images / seconds}
        if operations := counted.total:
            speed = operations / seconds / 1e12
            row |= {"tflops": speed, "share": speed / ceiling(precision)}
            if images:
                row["gflop_per_image"] = operations / images / 1e9
        if DEVICE.type == "cuda":
            row["peak_mb"] = torch.cuda.max_memory_allocated() / 2**20
        benchmark.extra_info |= {key: _short(value) for key, value in row.items()}
        return result

    return once


@pytest.fixture
def compare(benchmark: Any, request: pytest.FixtureRequest) -> Callable[..., tuple[Any, Any]]:
    """Run ours and theirs in turn; keep the median of the ratios of their times.

    `compare(ours, theirs, what)` returns what both returned.
    """

    def both(ours: Run, theirs: Run, what: str, *, rounds: int = 9) -> tuple[Any, Any]:
        results = timed(ours)[0], timed(theirs)[0]  # warm up
        ratios = [timed(ours)[1] / timed(theirs)[1] for _ in range(rounds * benchmark.enabled)]
        benchmark.pedantic(ours, rounds=1)
        if ratios:
            row = {"what": what, "ratio": statistics.median(ratios)}
            benchmark.extra_info |= {key: _short(value) for key, value in row.items()}
            line = f" {request.node.name}: {benchmark.extra_info['ratio']} of the other's time"
            request.config.get_terminal_writer().line(line)
        return results

    return both


def _short(value: Any) -> Any:
    """Three digits and what stands before the point."""
    return float(f"{value:.3g}") if isinstance(value, float) and value < 1000 else value


@pytest.fixture
def defense(purifier: nn.Module, classifier: nn.Module) -> Defense:
    """RT2 with the embedded purifier at 48 pixels."""
    made = Defense(
        transform=build("transforms", "rt2", **settings.transform("rt2")),
        purifier=purifier,
        classifier=classifier,
        sizes=Sizes(input=32, purifier=48, classifier=32),
    )
    return made.to(DEVICE).eval().requires_grad_(False)
