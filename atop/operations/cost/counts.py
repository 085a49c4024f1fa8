"""How often an attack asks its target and its judge, as its file in atop/method/attacks/ says it.

The tests compare the counts with what real runs classified.
"""

from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.method.registry import module_of
from atop.method.workload import Workload


def of_method(row: Dict, *, random: bool, classes: int) -> Workload:
    """The workload of one run of an attack's method.

    Args:
        row: of attacks.yaml, under a preset.
        random: whether draws of the target differ.
        classes: of the dataset.

    Raises:
        AtopError: no such method, or its file does not say what it takes.
    """
    module = module_of("attacks", row["method"])
    if not hasattr(module, "workload"):
        raise AtopError(f"{module.__file__}: no function workload, so what it takes is not known")
    return module.workload(row, random=random, classes=classes)  # type: ignore[no-any-return]


def at_most(row: Dict, workload: Workload) -> bool:
    """Whether an attack may ask less often: it stops early, or leaves images alone."""
    return workload.early or "after" in row


def judged(row: Dict, workload: Workload) -> int:
    """How often the judge asks about an attacked image, each time at all of its draws."""
    restarts = row.get("restarts", 1)
    chosen = workload.candidates is not None or "after" in row or restarts > 1
    return ("after" in row) + (1 + restarts * (workload.candidates or 1) if chosen else 0)
