"""The released records of preset smoke as the folder of a run, for tests of what is made of one."""

import atexit
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from atop.core.files import ROOT, write_json
from atop.experiment import paths
from atop.results import released


@cache
def smoke_run() -> Path:
    """A folder that holds smoke/records/ until the tests end."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    for path, record in released.read(ROOT / "results" / "released" / "table7.jsonl").items():
        if record["preset"] == "smoke":
            write_json(Path(folder.name) / path.relative_to(paths.RESULTS), record)
    return Path(folder.name)
