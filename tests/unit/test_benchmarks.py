"""The table of speeds: rows of several devices side by side, and the page that shows it."""

from pathlib import Path
from typing import Any

import pytest

from atop.core.errors import AtopError
from atop.core.files import ROOT, write_json
from atop.experiment import presets
from atop.experiment.paths import BENCHMARKS
from atop.reporting import benchmarks


def run(device: str, *rows: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "datetime": "2026-01-02T03:04:05",
        "commit_info": {"id": "0123456789abcdef"},
        "machine_info": {"device": device, "cores": 2, "versions": {"torch": "2.15.0"}},
        "benchmarks": [{"group": group, "extra_info": told} for group, told in rows],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    step = {"what": "step", "seconds": 2.0, "images_per_second": 0.512345}
    small = run(
        "A processor",
        ("Networks", {**step, "tflops": 0.11, "share": 0.875}),
        ("Suite", {"what": "plan", "seconds": 3.25}),
        ("Mine", {"what": "unknown group", "seconds": 1.0}),
        ("Networks", {"seconds": 9.0}),  # of which nobody said what it is
    )
    large = run(
        "A card",
        ("Networks", {**step, "images_per_second": 81.0}),
        ("Beside the published step", {"what": "published step", "ratio": 0.478}),
        ("What bfloat16 costs", {"what": "PGD", "points": -0.1, "low": -0.42, "high": 0.24}),
        ("What bfloat16 costs", {"what": "loss", "apart": 0.031}),
    )
    write_json(tmp_path / "cpu.json", small)
    write_json(tmp_path / "gpu.json", large)
    for other in ("calibration", "execution"):
        write_json(tmp_path / f"{other}-cpu.json", {"rows": []})
    return tmp_path


def test_devices_stand_side_by_side_in_the_unit_of_each_row(folder: Path) -> None:
    assert benchmarks.markdown(folder) == "\n".join(
        [
            "| Beside the published step | A processor | A card |",
            "| --- | --- | --- |",
            "| published step |  | 0.48 of the time |",
            "",
            "| Networks | A processor | A card |",
            "| --- | --- | --- |",
            "| step | 0.512/s, 0.11 TFLOP/s (88%) | 81/s |",
            "",
            "| What bfloat16 costs | A processor | A card |",
            "| --- | --- | --- |",
            "| PGD |  | -0.1 points [-0.4, +0.2] |",
            "| loss |  | 0.03 |",
            "",
            "| Suite | A processor | A card |",
            "| --- | --- | --- |",
            "| plan | 3.25 s |  |",
            "",
            "| Mine | A processor | A card |",
            "| --- | --- | --- |",
            "| unknown group | 1 s |  |",
            "",
            "- A processor, 2 cores, 2026-01-02, commit 012345678: torch 2.15.0",
            "- A card, 2 cores, 2026-01-02, commit 012345678: torch 2.15.0",
            "",
        ]
    )


def test_a_page_is_changed_between_its_marks_only(folder: Path) -> None:
    page = folder / "page.md"
    page.write_text("before\n<!-- benchmarks -->\nold\n<!-- end of benchmarks -->\nafter\n")
    for _ in range(2):
        benchmarks.update(page, folder)
    before, _, rest = page.read_text().partition("<!-- benchmarks -->\n")
    assert (before, rest) == (
        "before\n",
        benchmarks.markdown(folder) + "<!-- end of benchmarks -->\nafter\n",
    )
    page.write_text("<!-- benchmarks -->\n")
    with pytest.raises(AtopError, match=r"page\.md: lacks the lines <!-- benchmarks --> and"):
        benchmarks.update(page, folder)


def test_what_is_no_benchmark_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AtopError, match="no benchmarks; pytest tests/benchmarks"):
        benchmarks.read(tmp_path / "nothing")
    write_json(folder / "other.json", {"benchmarks": []})
    with pytest.raises(AtopError, match=r"other\.json: not made by tests/benchmarks"):
        benchmarks.read(folder)


def test_its_page_shows_the_committed_ones() -> None:
    folder = ROOT / BENCHMARKS
    page, (begin, end) = (folder / "README.md").read_text(), benchmarks.MARKS
    shown = page.partition(begin + "\n")[2].partition(end)[0]
    assert shown == benchmarks.markdown(folder)


def test_a_preset_attacks_in_bfloat16_only_where_its_cost_was_measured() -> None:
    """The interval of what it costs lies below one point, for each target, on some device."""

    allowed = {name: presets.get(name).execution("attack").allowed for name in presets.names()}
    coarse = [
        name
        for name, executions in allowed.items()
        if any(each["precision"] == "bfloat16" for each in executions)
    ]
    for one in benchmarks.read(ROOT / BENCHMARKS) if coarse else []:
        costs = {row["target"]: row["high"] for row in one["rows"] if "target" in row}
        if costs.keys() == {"classifier", "defense"} and max(costs.values()) < 1:
            return
    assert not coarse
