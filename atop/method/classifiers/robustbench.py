"""Models of the package of RobustBench (Croce et al., 2021): 32x32 images in [0, 1].

Their files have the package's paths, MODEL_DIR/DATASET/THREAT/ID.pt; those of an ensemble are
ID.pt_m0.pt, ID.pt_m1.pt and so on. Nothing is downloaded here, and loading is strict.
"""

import io
import re
from contextlib import redirect_stdout
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.values import Dict
from atop.method.robustbench_library import models, robustbench

_CONSTANTS = re.compile(r"(^|\.)(mu|sigma|mean|std)$")
"""Buffers that some files lack: normalisations, which the code sets."""

_SURPLUS = re.compile(r"^model_preact_hl1\.|\.scores$")
"""Weights of some files that their networks do not use: heads and scores of the training."""


class Published(nn.Module):
    """(B,3,32,32) in [0,1] -> (B,classes) logits, by a network of the package."""

    def __init__(self, network: nn.Module, dataset: str, threat: str, model: str) -> None:
        super().__init__()
        self.network = network
        self.dataset, self.threat, self.model = dataset, threat, model

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)  # type: ignore[no-any-return]


def build(*, classes: int, model: str, dataset: str, threat: str) -> Published:
    """Build the network with random weights.

    Args:
        classes: number of classes of the dataset.
        model: the model's ID on the leaderboard.
        dataset: cifar10 or cifar100.
        threat: Linf, L2 or corruptions.
    """
    entries = models(dataset, threat)
    if model not in entries:
        near = ", ".join(get_close_matches(model, entries)) or "none"
        raise ValueError(
            f"RobustBench has no '{model}' for {dataset} and {threat}; nearest: {near}"
        )
    package = robustbench()
    expected = package.utils.DATASET_CLASSES[package.model_zoo.enums.BenchmarkDataset(dataset)]
    if classes != expected:
        raise ValueError(f"the model has {expected} classes, the dataset {classes}")
    if entries[model]["gdrive_id"] is None:
        raise ValueError(f"'{model}' has no file of its own: timm downloads it")
    with _OnTheCpu(), redirect_stdout(io.StringIO()):
        network = entries[model]["model"]().eval()
    return Published(network, dataset, threat, model)


def load_public(network: Published, files: list[Path]) -> None:
    """Load the model's file, or all files of an ensemble in order.

    Raises:
        AtopError: a file is missing, damaged, has another path than the package's, or is for
            another network.
    """
    drive = models(network.dataset, network.threat)[network.model]["gdrive_id"]
    _require(files, network, drive)
    single = isinstance(drive, str)
    for number, file in enumerate(files):
        try:
            state = _state(file, network.model, single=single)
            parts = [(network.network, state)] if single else _parts(network, number, state)
        except (LookupError, TypeError, AttributeError) as error:
            raise checkpoints.mismatch(file, f"{type(error).__name__}: {error}") from error
        for part, weights in parts:
            checkpoints.fill(part, weights, source=file, missing=_CONSTANTS, surplus=_SURPLUS)


def _state(file: Path, model: str, *, single: bool) -> Dict:
    """Read the state dict of a file as the package's load_model does."""
    state: Dict = checkpoints.read(file)
    nested = "Kireev2021Effectiveness" in model or model == "Andriushchenko2020Understanding"
    if single and nested:
        state = state["last"]
    state = state.get("state_dict", state)
    for prefix in ("module.", "model.") if single else ("module.",):
        state = robustbench().utils.rm_substr_from_state_dict(state, prefix)
    return state


def _parts(network: Published, number: int, state: Dict) -> list[tuple[nn.Module, Dict]]:
    """Return the modules that a file of an ensemble fills, as in the package's load_model."""
    ensemble: Any = network.network
    if network.model.startswith("Bai2023Improving"):
        mixed = ensemble.comp_model
        if number == 2:
            return [(mixed.policy_net, state["model"]), (mixed.bn, state["bn"])]
        return [(mixed.models[number], state)]
    if network.model.startswith("Bai2024MixedNUTS"):
        return [((ensemble.std_model, ensemble.rob_model)[number], state)]
    return [(ensemble.models[number], state)]


def _require(files: list[Path], network: Published, drive: str | list[str]) -> None:
    """Raise AtopError unless the files are those that the package would download."""
    name = f"{network.model}.pt"
    names = [name] if isinstance(drive, str) else [f"{name}_m{i}.pt" for i in range(len(drive))]
    folder = Path(network.dataset, network.threat)
    if [Path(*file.parts[-3:]) for file in files] != [folder / name for name in names] or (
        len({file.parent for file in files}) != 1
    ):
        raise AtopError(
            f"{', '.join(map(str, files)) or 'no file'}: RobustBench's '{network.model}' is "
            f".../{folder}/{', '.join(names)} in one folder; correct the files' names"
        )
    for file in files:
        if not file.is_file():
            raise AtopError(f"{file}: no such checkpoint")


class _OnTheCpu(TorchFunctionMode):
    """Ignores `Tensor.cuda`, which BiT's constructor calls."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return args[0] if function is Tensor.cuda else function(*args, **(kwargs or {}))
