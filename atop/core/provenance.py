"""Provenance of a file: code, settings, versions, device, time."""

import platform
import resource
import subprocess
import time
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from atop.core.files import CHECKOUT, PACKAGE, digest_of
from atop.core.hardware import processor

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pyautoattack", "snakemake")

CODE = ("core", "data", "method", "experiment", "pipeline")
"""Packages whose code can change a number; the others only read and show numbers."""


@cache
def code_sha() -> str:
    """Return the SHA-256 of the Python source in CODE: names and contents, in order."""
    source = (path for package in CODE for path in sorted((PACKAGE / package).rglob("*.py")))
    return digest_of(source, relative_to=PACKAGE.parent)[:16]


@cache
def commit() -> str | None:
    """Return the git commit, with "+" if the checkout has changes; None outside of a checkout."""
    if CHECKOUT is None:  # the folder of the installed package may lie in a repository of another
        return None
    try:
        command = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty=+", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _version(name: str) -> str | None:
    """Return the version of a package; None if it is not installed: no step needs them all."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


class Stopwatch:
    """The clock of a run, which starts on construction."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.start = device, time.monotonic()
        self.code = {"code_sha": code_sha(), "commit": commit()}  # before an edit during the run

    def provenance(self, **more: Any) -> dict[str, Any]:
        """Return the metadata of this run, for JSON."""
        cuda = self.device.type == "cuda"
        memory = (
            torch.cuda.max_memory_allocated(self.device)
            if cuda
            else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        )
        return {
            **self.code,
            **more,
            "versions": {"python": platform.python_version()}
            | {name: _version(name) for name in PACKAGES},
            "device": torch.cuda.get_device_name(self.device) if cuda else "cpu",
            "processor": processor(),
            "threads": torch.get_num_threads(),
            "wall_s": round(time.monotonic() - self.start, 2),
            "peak_memory_mb": round(memory / 2**20, 1),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
