"""Table of the measured speeds: the files of pytest-benchmark in results/benchmarks/."""

from collections.abc import Iterable
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.files import read_json, writing
from atop.core.values import Dict
from atop.experiment.paths import BENCHMARKS, benchmark_files

MARKS = ("<!-- benchmarks -->", "<!-- end of benchmarks -->")
GROUPS = (
    "Beside the published step",
    "Beside others",
    "Networks",
    "Beside float32",
    "Attacks",
    "What bfloat16 costs",
    "Data and randomness",
    "Suite",
    "Batch size",
    "Image size",
    "EOT",
)
"""Groups of benchmarks in the order of their tables; other groups come last."""

OTHERS = ("calibration-", "execution-")
"""Beginnings of the names of other files in their folder."""


def markdown(folder: Path | None = None) -> str:
    """Return a table for each group, with a column for each file, and the versions behind them.

    Raises:
        AtopError: the folder has no benchmarks, or a file is not of this suite's benchmarks.
    """
    runs = read(folder)
    groups = dict.fromkeys((*GROUPS, *(row["group"] for run in runs for row in run["rows"])))
    tables = filter(None, (_table(group, runs) for group in groups))
    return "\n\n".join([*tables, "\n".join(map(_about, runs))]) + "\n"


def update(page: Path, folder: Path | None = None) -> None:
    """Replace the table between the marks of a Markdown page.

    Raises:
        AtopError: the page has no such marks.
    """
    before, begin, rest = page.read_text().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise AtopError(f"{page}: lacks the lines {MARKS[0]} and {MARKS[1]}; add them")
    with writing(page) as temporary:
        temporary.write_text(f"{before}{begin}\n{markdown(folder)}{end}{after}")


def read(folder: Path | None = None) -> list[Dict]:
    """Return each file as `name` (of the device), `about` and `rows` with `group` and `what`.

    Without a folder: the files of results/benchmarks/, the suite's and the user's.
    """
    known = folder.glob("*.json") if folder else benchmark_files("*.json")
    files = [path for path in known if not path.name.startswith(OTHERS)]
    if not files:
        folder = folder or BENCHMARKS
        raise AtopError(
            f"{folder}: no benchmarks; pytest tests/benchmarks --benchmark-enable "
            f"--benchmark-json={folder}/DEVICE.json makes some"
        )
    return [_run(path) for path in sorted(files, key=lambda path: path.name)]


def _run(path: Path) -> Dict:
    content = read_json(path)
    try:
        machine = content["machine_info"]
        rows = [
            {"group": benchmark["group"], **benchmark["extra_info"]}
            for benchmark in content["benchmarks"]
            if "what" in benchmark["extra_info"]
        ]
        about = {"created": content["datetime"][:10], "commit": content["commit_info"]["id"]}
        return {"name": machine["device"], "about": machine | about, "rows": rows}
    except (KeyError, TypeError) as error:
        raise AtopError(f"{path}: not made by tests/benchmarks ({error}); delete it") from error


def _table(group: str, runs: list[Dict]) -> str:
    columns = [{row["what"]: row for row in run["rows"] if row["group"] == group} for run in runs]
    names = dict.fromkeys(name for column in columns for name in column)
    if not names:
        return ""
    heads = [group, *(run["name"] for run in runs)]
    lines = [[name, *(_cell(column.get(name)) for column in columns)] for name in names]
    return "\n".join(map(_line, [heads, ["---"] * len(heads), *lines]))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(row: Dict | None) -> str:
    """Return a measurement with the unit in which it was made."""
    if row is None:
        return ""
    if "points" in row:
        return f"{row['points']:+.1f} points [{row['low']:+.1f}, {row['high']:+.1f}]"
    if "apart" in row:
        return f"{row['apart']:.2f}"
    if "ratio" in row:
        return f"{row['ratio']:.2f} of the time"
    if "images_per_second" not in row:
        return f"{row['seconds']:.3g} s"
    rate = f"{row['images_per_second']:.3g}/s"
    if "tflops" in row:
        rate += f", {row['tflops']:.2g} TFLOP/s ({100 * row['share']:.0f}%)"
    return rate


def _about(run: Dict) -> str:
    about = run["about"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    device = f"{run['name']}, {about['cores']} cores"
    return f"- {device}, {about['created']}, commit {about['commit'][:9]}: {versions}"
