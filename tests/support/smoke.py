"""The smoke preset as it lies in this checkout: what is not there yet is made."""

import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from atop.core.files import ROOT


def snakemake(*targets: str, options: tuple[str, ...] = ()) -> None:
    """Make some targets, or do what the options say of them."""
    environment = {name: value for name, value in os.environ.items() if "ATOP" not in name}
    command = [Path(sys.executable).parent / "snakemake", "--cores", "2", "--quiet", "all"]
    command += [*options, "--rerun-incomplete", "--", *targets]
    (ROOT / ".snakemake").mkdir(exist_ok=True)
    with FileLock(ROOT / ".snakemake" / "tests.lock"):  # one run at a time in a checkout
        subprocess.run(command, cwd=ROOT, check=True, env=environment)
