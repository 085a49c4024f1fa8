"""Workloads of attacks, as their files in atop/method/attacks/ declare them.

Tests compare these counts with the images that real runs classified.
"""

from atop.core.errors import AtopError
from atop.experiment.settings.attacks import AttackSpec
from atop.method.registry import module_of
from atop.method.workload import Workload


def of_method(attack: AttackSpec, *, random: bool, classes: int) -> Workload:
    """The workload of one run of an attack's method.

    Args:
        attack: under a preset.
        random: whether draws of the target differ.
        classes: of the dataset.

    Raises:
        AtopError: no such method, or its file does not declare its workload.
    """
    module = module_of("attacks", attack.method)
    if not hasattr(module, "workload"):
        raise AtopError(f"{module.__file__}: no function workload, so its cost is not known")
    return module.workload(attack.given(), random=random, classes=classes)  # type: ignore[no-any-return]


def at_most(attack: AttackSpec, workload: Workload) -> bool:
    """Whether an attack may make fewer queries: it stops early, or leaves images alone."""
    return workload.early or attack.after is not None


def judged(attack: AttackSpec, workload: Workload) -> int:
    """Number of times that the judge classifies an image, each time under all of its draws."""
    after, restarts = attack.after is not None, attack.restarts
    chooses = workload.candidates is not None or after or restarts > 1
    return after + (1 + restarts * (workload.candidates or 1) if chooses else 0)
