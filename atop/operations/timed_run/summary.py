"""Summary of a timed run: the next tasks before it, the outcomes after it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from atop.experiment import paths
from atop.operations.timed_run.archives import COUNT, SIZE
from atop.operations.timed_run.queue import Command, Queue, Task
from atop.operations.timed_run.runner import Tally


def listing(queue: Queue) -> Iterator[str]:
    """Tasks that are left, in order; what is not run here, and why."""
    for task in queue.to_do():
        yield f"{_state(task):9}  {task.label}"
    for name, reason in queue.left_out.items():
        yield f"{'left out':9}  {name}: {reason}"
    for goal in queue.goals():
        if missing := queue.missing(goal):
            yield f"{'lacks':9}  {goal.label}: {', '.join(missing)}"
    yield _records(queue)


def summary(queue: Queue, tally: Tally) -> Iterator[str]:
    """Tasks that failed and why, the numbers of all others, and the next task."""
    for file, reason in tally.failed.items():
        yield f"failed:   {queue.tasks[file].label}: {reason}"
    tasks = queue.to_do()
    counts = f"{len(tally.done)} done, {len(tally.failed)} failed, {len(tally.skipped)} skipped"
    yield f"{counts}, {len(tasks)} to do"
    yield _records(queue)
    not_now = {*tally.failed, *tally.skipped}
    following = [task for task in tasks if task.file not in not_now]
    if tally.stopped in following:
        following = [tally.stopped, *(task for task in following if task is not tally.stopped)]
    if following:
        yield f"next:     {following[0].label}{', goes on' if _started(following[0]) else ''}"
    elif tasks:
        yield "next:     nothing but what failed or was skipped"
    else:
        yield "next:     nothing, all that can be made here is made"


def of_archives(written: list[Path], left_behind: list[Path]) -> Iterator[str]:
    """Archives that were written, and files that did not fit."""
    size = sum(path.stat().st_size for path in written) / 2**20
    yield f"archives: {len(written)} with {size:.1f} MiB"
    for path in left_behind:
        yield f"          no room for {path}, {path.stat().st_size / 2**20:.1f} MiB"
    if left_behind:
        yield f"          ({COUNT} archives of {SIZE / 2**20:g} MiB)"


def _state(task: Task) -> str:
    if isinstance(task, Command) and task.failure.exists():
        return "failed"
    if _started(task):
        return "goes on"
    return "again" if task.file.exists() else "to do"


def _started(task: Task) -> bool:
    return not isinstance(task, Command) and paths.state(task.file).exists()


def _records(queue: Queue) -> str:
    goals = queue.goals()
    here = [goal for goal in goals if queue.current(goal)]
    names = Counter(name for goal in goals for name in queue.missing(goal))
    missing = "".join(f"; {count} lack {name}" for name, count in names.most_common(3))
    return f"records:  {len(here)} of {len(goals)} are here{missing}"
