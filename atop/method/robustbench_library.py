"""The library robustbench: its import, and its models by ID.

Version 1.1.1 imports `autoattack` with its old signature; PyPI has `pyautoattack` with another.
"""

import importlib
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pyautoattack
import pyautoattack.state
from torch import Tensor

from atop.core.errors import AtopError
from atop.core.values import Dict


class AutoAttack(pyautoattack.AutoAttack):  # type: ignore[misc]
    """The reference AutoAttack under the signature that robustbench calls."""

    def __init__(
        self,
        model: Any,
        *,
        attacks_to_run: list[str] | None = None,
        log_path: str | None = None,
        **options: Any,
    ) -> None:
        if log_path is not None:
            raise ValueError("log_path is not supported: pyautoattack logs to 'auto-attack'")
        super().__init__(model, attacks=attacks_to_run or None, **options)

    def run_standard_evaluation(
        self, x: Tensor, y: Tensor, *, bs: int = 250, state_path: Path | None = None
    ) -> Tensor:
        """Return adversarial images for x (B, 3, H, W) in [0, 1] with labels y."""
        x_adv, _ = super().run_standard_evaluation(x, y, batch_size=bs, state_path=state_path)
        return x_adv  # type: ignore[no-any-return]


def robustbench() -> ModuleType:
    """Import robustbench, which takes seconds, with the adapter above as `autoattack`.

    Raises:
        AtopError: it is the old copy that torchattacks installs over it.
    """
    if "autoattack" not in sys.modules:
        alias = ModuleType("autoattack")
        alias.AutoAttack = AutoAttack  # type: ignore[attr-defined]
        alias.state = pyautoattack.state  # type: ignore[attr-defined]
        sys.modules["autoattack"] = alias
        sys.modules["autoattack.state"] = pyautoattack.state
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its use of deprecated functions
        package = importlib.import_module("robustbench")
    if not hasattr(package.utils, "DATASET_CLASSES"):
        raise AtopError(
            f"{package.__file__}: not robustbench 1.1.1 but a copy that torchattacks installs; "
            "run: pip install --no-deps --force-reinstall robustbench==1.1.1"
        )
    return package


def models(dataset: str, threat: str) -> Dict:
    """Return the library's entries of models by ID; the first call takes seconds.

    Raises:
        ValueError: unknown dataset or threat model.
    """
    if dataset not in ("cifar10", "cifar100") or threat not in ("Linf", "L2", "corruptions"):
        raise ValueError("dataset is cifar10 or cifar100, threat Linf, L2 or corruptions")
    robustbench()
    from robustbench.model_zoo.enums import BenchmarkDataset, ThreatModel
    from robustbench.model_zoo.models import model_dicts

    entries: Dict = model_dicts[BenchmarkDataset(dataset)].get(ThreatModel(threat), {})
    return entries
