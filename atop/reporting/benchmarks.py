"""What was measured of speed: pytest-benchmark's files in results/benchmarks/ as one table."""

from collections.abc import Iterable
from pathlib import Path

from atop.core.errors import AtopError
from atop.core.files import read_json, writing
from atop.core.values import Dict
from atop.experiment.paths import BENCHMARKS

MARKS = ("<!-- benchmarks -->", "<!-- end of benchmarks -->")
GROUPS = (
    "Beside the published step",
    "Beside others",
    "Networks",
    "Attacks",
    "What bfloat16 costs",
    "Data and randomness",
    "Suite",
    "Batch size",
    "Picture size",
    "EOT",
)
"""Parts of the table, in their order; a group that is not listed comes after them."""


def markdown(folder: Path = BENCHMARKS) -> str:
    """A table for each group, with a column for each file, and what each file was measured with.

    Raises:
        AtopError: no file there, or one that is not of this suite's benchmarks.
    """
    runs = read(folder)
    groups = list(dict.fromkeys((*GROUPS, *(row["group"] for run in runs for row in run["rows"]))))
    parts = [_table(group, runs) for group in groups]
    return "\n\n".join([*filter(None, parts), "\n".join(map(_about, runs))]) + "\n"


def update(page: Path, folder: Path = BENCHMARKS) -> None:
    """Put the table between the marks of a Markdown page.

    Raises:
        AtopError: the page has no such marks.
    """
    before, begin, rest = page.read_text().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise AtopError(f"{page}: lacks the lines {MARKS[0]} and {MARKS[1]}; add them")
    with writing(page) as temporary:
        temporary.write_text(f"{before}{begin}\n{markdown(folder)}{end}{after}")


def read(folder: Path = BENCHMARKS) -> list[Dict]:
    """Each file as `name` (of the device), `about` and `rows`, which have `group` and `what`."""
    files = [file for file in sorted(folder.glob("*.json")) if not _calibrates(file)]
    if not files:
        raise AtopError(
            f"{folder}: no benchmarks; pytest tests/benchmarks --benchmark-enable "
            f"--benchmark-json={folder}/DEVICE.json makes some"
        )
    return [_run(file) for file in files]


def _calibrates(file: Path) -> bool:
    return file.name.startswith("calibration")


def _run(file: Path) -> Dict:
    content = read_json(file)
    try:
        machine = content["machine_info"]
        named = [one for one in content["benchmarks"] if "what" in one["extra_info"]]
        rows = [{"group": one["group"], **one["extra_info"]} for one in named]
        about = {"created": content["datetime"][:10], "commit": content["commit_info"]["id"]}
        return {"name": machine["device"], "about": machine | about, "rows": rows}
    except (KeyError, TypeError) as error:
        raise AtopError(f"{file}: not made by tests/benchmarks ({error}); delete it") from error


def _table(group: str, runs: list[Dict]) -> str:
    held = [{row["what"]: row for row in run["rows"] if row["group"] == group} for run in runs]
    names = dict.fromkeys(name for one in held for name in one)
    if not names:
        return ""
    lines = [[name, *(_cell(one.get(name)) for one in held)] for name in names]
    heads = [group, *(run["name"] for run in runs)]
    return "\n".join(map(_line, [heads, ["---"] * len(heads), *lines]))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(row: Dict | None) -> str:
    """A row in the unit that it was measured in."""
    if row is None:
        return ""
    if "points" in row:
        return f"{row['points']:+.1f} points [{row['low']:+.1f}, {row['high']:+.1f}]"
    if "apart" in row:
        return f"{row['apart']:.2f}"
    if "ratio" in row:
        return f"{row['ratio']:.2f} of the time"
    if "pictures_per_second" not in row:
        return f"{row['seconds']:.3g} s"
    told = f"{row['pictures_per_second']:.3g}/s"
    if "tflops" in row:
        told += f", {row['tflops']:.2g} TFLOP/s ({100 * row['share']:.0f}%)"
    return told


def _about(run: Dict) -> str:
    of = run["about"]
    versions = ", ".join(f"{name} {version}" for name, version in of["versions"].items())
    where = f"{run['name']}, {of['cores']} cores"
    return f"- {where}, {of['created']}, commit {of['commit'][:9]}: {versions}"
