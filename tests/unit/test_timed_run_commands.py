"""Commands in the queue of a timed run: each runs once, where it belongs, if time allows."""

import time
from pathlib import Path
from typing import Any

import pytest
from support.timed_runs import COMMAND, Change, Lines, done, prepare, queue

from atop.experiment import paths
from atop.operations.cost import machines


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


def command(code: str, **changes: Any) -> dict[str, Any]:
    made = {"makes": "results/benchmarks/{device}.txt", "minutes": 0.01}
    row = {**COMMAND, "command": ["python", "-c", code, "{makes}"], **made, **changes}
    return {"queue": [row]}


def test_a_command_makes_its_file_once(small: Change, spend: Lines) -> None:
    small("queue", command("import sys; open(sys.argv[1], 'w').write('made')"))
    (file,) = queue().tasks
    assert file == paths.RESULTS / "benchmarks" / f"{machines.cpu(1).name}.txt"
    assert done(spend()) == [f"command {file.name}"]
    assert file.read_text() == "made"
    assert done(spend()) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"preset": "paper"}, "belongs to preset paper"),
        ({"device": "cuda"}, "belongs to cuda, and this is cpu"),
    ],
)
def test_a_command_of_another_place_is_left_out_and_listed(
    small: Change, spend: Lines, changes: dict[str, Any], reason: str
) -> None:
    small("queue", command("", **changes))
    name = f"command {machines.cpu(1).name}.txt"
    assert f"left out   {name}: {reason}" in spend(1, "--list")
    assert done(spend()) == []


def test_a_command_waits_for_enough_time(small: Change, spend: Lines) -> None:
    small("queue", command("", minutes=10))
    assert any("needs 10 minutes" in line for line in spend(1))


def test_a_command_of_which_a_part_failed_keeps_its_file(small: Change, spend: Lines) -> None:
    code = "import sys; open(sys.argv[1], 'w').write('made'); print('1 of 9 failed'); sys.exit(1)"
    small("queue", command(code))
    (task,) = queue().tasks.values()
    (line,) = [line for line in spend() if line.startswith("failed ")]
    assert line.endswith(f": exit code 1 (1 of 9 failed), see {task.log}")  # type: ignore[union-attr]
    assert task.file.read_text() == "made"
    assert "0 done, 0 failed, 0 skipped, 0 to do" in spend()


@pytest.mark.parametrize(
    ("code", "minutes", "reason"),
    [
        ("print('so it goes'); raise SystemExit(3)", 5, "exit code 3 (so it goes), see "),
        ("", 5, "no "),
        ("import sys; open(sys.argv[1], 'w')", 5, "no "),
        ("import time; time.sleep(60)", 0.02, "stopped before its end, or killed"),
    ],
)
def test_a_command_that_failed_or_was_stopped_is_not_tried_again(
    small: Change, spend: Lines, code: str, minutes: float, reason: str
) -> None:
    small("queue", command(code))
    start = time.monotonic()
    spend(minutes)
    assert time.monotonic() - start < 20
    (task,) = queue().tasks.values()
    assert not task.file.exists()
    (line,) = [line for line in spend() if line.startswith("skipped")]
    assert f": {reason}" in line
    assert line.endswith(f"delete {task.failure} to try again")  # type: ignore[union-attr]
