"""Files of RobustBench's models: the package knows their ids, so they need no row."""

from difflib import get_close_matches
from importlib.metadata import version

from atop.core.errors import AtopError
from atop.experiment.settings.inputs import CheckpointSpec
from atop.experiment.weight_files import ROBUSTBENCH
from atop.method.robustbench_library import models


def row(file: str) -> CheckpointSpec | None:
    """A row of checkpoints.yaml for a file; None unless its name matches ROBUSTBENCH.

    Raises:
        AtopError: the installed robustbench has no such model, or no address of its weights.
    """
    match = ROBUSTBENCH.fullmatch(file)
    if match is None:
        return None
    dataset, threat, name, part = match.groups()
    entries = models(dataset, threat)
    if name not in entries:
        near = ", ".join(get_close_matches(name, entries, n=3, cutoff=0)) or "none"
        raise AtopError(
            f"{file}: robustbench {version('robustbench')} has no {name} for {dataset} and "
            f"{threat}; nearest are {near}"
        )
    ids = entries[name].get("gdrive_id")
    if (part is not None) != isinstance(ids, list):
        kind = "an ensemble: its files end in _m0.pt, _m1.pt" if part is None else "one file"
        raise AtopError(f"{file}: {name} is {kind}")
    if part is not None and int(part) >= len(ids):
        raise AtopError(f"{file}: {name} has only {len(ids)} parts")
    if ids is None:
        raise AtopError(f"{file}: robustbench does not say where the weights of {name} are")
    return CheckpointSpec(
        about=f"{name} of RobustBench for {dataset} and {threat}",
        file=file,
        google_drive=ids if part is None else ids[int(part)],
        sha256=None,
        licence="MIT unless the model card says otherwise",
    )
