"""A machine for a few minutes at a time: order, what is done again, deadlines, unknown names."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support.timed_runs import (
    ATOP,
    BARE,
    COMMAND,
    NONE,
    ROWS,
    Change,
    Lines,
    cell,
    done,
    prepare,
    queue,
)

from atop.__main__ import main
from atop.core.errors import AtopError
from atop.experiment import paths, presets, validate
from atop.operations.timed_run.deadline import StoppedError, until
from atop.operations.timed_run.queue import inputs_of


@pytest.fixture
def small(change: Change, workdir: Path) -> Change:
    prepare(change)
    return change


def test_the_queue_is_in_order_and_each_task_comes_after_what_it_takes(small: Change) -> None:
    one, two = {"table": "table7", "rows": ["rt2-atop", "undefended"]}, {"table": "table8"}
    small("queue", {"queue": [one, {**two, "rows": ["rt2-none", "rt2-atop"]}]})
    tasks = list(queue().tasks.values())
    names = [task.label for task in tasks]
    assert names[:5] == [
        f"finetune {NONE.weights.id}",
        f"finetune {ATOP.id}",
        f"attack fgsm {BARE.id}",
        f"evaluate table7 {ATOP.id}",
        f"evaluate table7 {BARE.id}",
    ]
    assert names[-1] == f"evaluate table8 {ATOP.id}"
    assert len(set(names)) == len(names)
    files = [task.file for task in tasks]
    for task in tasks:
        needed = [path for path in inputs_of(task) if path in files]
        assert all(files.index(path) < files.index(task.file) for path in needed)


def test_what_is_done_is_not_done_again(small: Change, spend: Lines) -> None:
    lines = spend()
    assert len(done(lines)) == 6
    assert lines[-3:] == [
        "6 done, 0 failed, 0 skipped, 0 to do",
        "records:  3 of 3 are here",
        "next:     nothing, all that can be made here is made",
    ]
    times = {path: path.stat().st_mtime_ns for path in Path("results").rglob("*.*")}
    assert done(spend()) == []
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_a_record_needs_no_weights_and_no_set_once_it_is_there(small: Change, spend: Lines) -> None:
    spend()
    for folder in ("adversarial", "purifiers"):
        for path in (paths.RESULTS / "smoke" / folder).rglob("*.*"):
            path.unlink()
    assert queue().to_do() == []
    paths.record(presets.get("smoke"), BARE, "table7", "classifier").unlink()
    verbs = [task.label for task in queue().to_do()]
    assert verbs == [f"attack fgsm {BARE.id}", f"evaluate table7 {BARE.id}"]


def test_changed_settings_make_a_step_again_and_what_follows_from_it(
    small: Change, spend: Lines
) -> None:
    spend()
    small("attacks", {"attacks": {"fgsm": {"eps": "4/255"}}})
    verbs = [task.label.split()[0] for task in queue().to_do()]
    # FGSM is also what AToP trains on.
    assert verbs == ["attack", "evaluate", "evaluate", "finetune", "evaluate"]
    small("attacks", {"attacks": {"fgsm": {"eps": "8/255"}}})
    small("presets/smoke", {"stages": {"l_org": {"lr": 2e-3}}})
    again = [f"finetune {NONE.weights.id}", f"evaluate table7 {NONE.id}", f"finetune {ATOP.id}"]
    assert done(spend()) == [*again, f"evaluate table7 {ATOP.id}"]
    assert queue().to_do() == []


def test_weights_that_are_others_now_make_a_record_again(small: Change, spend: Lines) -> None:
    spend()
    out = paths.purifier(presets.get("smoke"), ATOP)
    out.unlink()
    out.with_suffix(".json").unlink()
    assert queue().to_do() == []
    small("presets/smoke", {"stages": {"atop": {"lr": 2e-3}}})
    assert main(["finetune", "--preset", "smoke", "--cell", ATOP.id, "--threads", "1"]) == 0
    assert [task.label for task in queue().to_do()] == [f"evaluate table7 {ATOP.id}"]


def test_a_step_that_fails_stops_only_what_needs_it(small: Change, spend: Lines) -> None:
    small("queue", {"queue": [{"table": "table7", "rows": ["rt1-none", "rt1-atop", *ROWS]}]})
    small(
        "presets/smoke", {"stages": {"l_org": {"overrides": {"rt1": {"lr": 1e30, "clip": None}}}}}
    )
    lines = spend()
    bad = cell("rt1", "none").weights.id
    (line,) = (line for line in lines if line.startswith("failed "))
    assert line.endswith("is not finite at step 2; lower lr or set clip")
    skipped = [line for line in lines if line.startswith("skipped")]
    assert [line.partition(":")[2] for line in skipped] == [
        f" needs finetune {bad}",
        f" needs finetune {bad}",
        f" needs finetune {cell('rt1', 'adversarial').id}",
    ]
    assert len(done(lines)) == 6
    assert "6 done, 1 failed, 3 skipped, 4 to do" in lines
    assert lines[-1] == "next:     nothing but what failed or was skipped"


def test_nothing_is_trained_for_a_record_that_lacks_what_is_not_here(small: Change) -> None:
    item = {"table": "table5", "rows": ["ughini2022-atop"], "overrides": {"init": "scratch"}}
    small("queue", {"queue": [item]})
    whole = queue("paper")
    assert whole.to_do() == []
    assert {one for goal in whole.goals() for one in whole.missing(goal)} == {
        "dataset cifar10",
        "dataset cifar100",
        "results/checkpoints/robustbench/cifar10/Linf/Standard.pt",
    }


def slow(small: Change) -> None:
    """Make a training and an attack that take seconds."""
    small("presets/smoke", {"stages": {"l_org": {"images": 400, "batch": 2}}})
    small("attacks", {"attacks": {"fgsm": {**PGD, "steps": 300}}})


PGD = {"method": "pgd", "norm": "Linf", "eps": "8/255", "step_size": "2/255", "random_start": True}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "out"),
    [
        (["rt2-none"], paths.purifier(presets.get("smoke"), NONE)),
        (["undefended"], paths.adversarial(presets.get("smoke"), BARE, "fgsm")),
    ],
)
def test_what_the_deadline_stopped_ends_to_the_same_bits(
    small: Change, spend: Lines, rows: list[str], out: Path
) -> None:
    slow(small)
    small("queue", {"queue": [{"table": "table7", "rows": rows}]})
    minutes, lines = 0.03, [""]
    while not lines[-1].endswith(", goes on"):  # on a busy machine the first batch takes longer
        start = time.monotonic()
        lines = spend(minutes)
        assert time.monotonic() - start < 60 * minutes + 20
        assert any(line.startswith("stopped") for line in lines)
        assert not out.exists()
        minutes *= 2
    spend()
    stopped = out.read_bytes()
    assert json.loads(out.with_suffix(".json").read_text())["resumed"]
    for path in (out, *paths.RESULTS.glob("smoke/records/*/*")):
        path.unlink()
    spend()
    assert not json.loads(out.with_suffix(".json").read_text())["resumed"]
    assert out.read_bytes() == stopped


def test_what_collects_the_signal_is_stopped_after_the_grace() -> None:
    start, collected = time.monotonic(), []
    before = signal.getsignal(signal.SIGTERM)

    def deaf() -> None:
        signal.signal(signal.SIGTERM, lambda number, _: collected.append(number))
        while time.monotonic() - start < 20:
            time.sleep(0.01)

    with pytest.raises(StoppedError), until(start + 0.1, grace=0.4):
        deaf()
    assert collected == [signal.SIGTERM]
    assert 0.4 < time.monotonic() - start < 10
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"table": "table77"}, "no such file"),
        ({"table": "table7", "rows": ["rt9"]}, "no 'rt9'; known are"),
        ({"table": "table7", "overrides": {"init": "nowhere"}}, "no such init"),
        ({"table": "table7", "overrides": {"colour": 1}}, "known keys are init"),
        (
            {"command": ["python"], "makes": "results/x"},
            r"queue\.0: a command needs makes, minutes",
        ),
        ({"rows": ["rt1-none"]}, r"queue\.0"),
        ({"table": "table7", **COMMAND}, r"queue\.0: exactly one of table, command"),
    ],
)
def test_a_queue_of_unknown_names_is_refused(
    small: Change, item: dict[str, Any], reason: str
) -> None:
    small("queue", {"queue": [item]})
    with pytest.raises(AtopError, match=reason):
        validate.check_queue(presets.get("smoke"))


def test_the_queue_of_the_suite_is_known() -> None:
    for preset in presets.names():
        validate.check_queue(presets.get(preset))
    names = [task.label for task in queue("paper").tasks.values()]
    assert names[0] == "classifier cifar10-resnet18"
    assert names.index("evaluate table7 cifar10-resnet18-undefended") < names.index(
        "pretrain cifar10-deepfill"
    )
