"""What a call of `spend` says: what is next before it, what became of it after."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from atop.experiment import paths
from atop.operations.timed_run.archives import COUNT, SIZE
from atop.operations.timed_run.queue import Command, Queue, Task, told
from atop.operations.timed_run.runner import Tally


def listing(queue: Queue) -> Iterator[str]:
    """What is left to do, in order, and what is not done here and why."""
    wanted = queue.wanted()
    for task in wanted:
        yield f"{_state(task):9}  {told(task)}"
    yield from _not_here(queue)
    yield _records(queue)


def summary(queue: Queue, tally: Tally) -> Iterator[str]:
    """What was done, what failed and why, what is left and what is next."""
    for file, reason in tally.failed.items():
        yield f"failed:   {told(queue.tasks[file])}: {reason}"
    wanted = queue.wanted()
    did = f"{len(tally.done)} done, {len(tally.failed)} failed, {len(tally.skipped)} skipped"
    yield f"{did}, {len(wanted)} to do"
    yield _records(queue)
    not_now = {*tally.failed, *tally.skipped}
    following = [task for task in wanted if task.file not in not_now]
    if tally.stopped in following:
        following = [tally.stopped, *(task for task in following if task is not tally.stopped)]
    if following:
        yield f"next:     {told(following[0])}{', goes on' if _begun(following[0]) else ''}"
    elif wanted:
        yield "next:     nothing but what failed or was skipped"
    else:
        yield "next:     nothing, all that can be made here is made"


def bundles(written: list[Path], left_behind: list[Path]) -> Iterator[str]:
    """What was put into bundles, and what did not fit."""
    size = sum(path.stat().st_size for path in written) / 2**20
    yield f"bundles:  {len(written)} with {size:.1f} MiB"
    for path in left_behind:
        yield f"          no room for {path}, {path.stat().st_size / 2**20:.1f} MiB"
    if left_behind:
        yield f"          ({COUNT} bundles of {SIZE / 2**20:g} MiB)"


def _state(task: Task) -> str:
    if isinstance(task, Command) and task.tried.exists():
        return "failed"
    if _begun(task):
        return "goes on"
    return "again" if task.file.exists() else "to do"


def _begun(task: Task) -> bool:
    return not isinstance(task, Command) and paths.state(task.file).exists()


def _not_here(queue: Queue) -> Iterator[str]:
    for what, reason in queue.left_out.items():
        yield f"{'left out':9}  {what}: {reason}"
    for goal in queue.goals():
        if lacks := queue.lacks(goal):
            yield f"{'lacks':9}  {told(goal)}: {', '.join(lacks)}"


def _records(queue: Queue) -> str:
    goals = queue.goals()
    here = [goal for goal in goals if queue.current(goal)]
    lacks = Counter(one for goal in goals for one in queue.lacks(goal))
    missing = "".join(f"; {count} lack {one}" for one, count in lacks.most_common(3))
    return f"records:  {len(here)} of {len(goals)} are here{missing}"
