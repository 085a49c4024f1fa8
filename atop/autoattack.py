"""The one place that knows how AutoAttack is packaged.

PyPI has AutoAttack as `pyautoattack`, with a keyword-only constructor and renamed arguments, while
robustbench 1.1.1 imports `autoattack` and calls the old signature. `robustbench()` puts an alias in
place that translates.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyautoattack
import pyautoattack.state
from torch import Tensor


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
        """Adversarial pictures for x (B, 3, H, W) in [0, 1] with labels y."""
        x_adv, _ = super().run_standard_evaluation(x, y, batch_size=bs, state_path=state_path)
        return x_adv  # type: ignore[no-any-return]


def robustbench() -> ModuleType:
    """Import robustbench, which takes seconds, with `autoattack` translated."""
    if "autoattack" not in sys.modules:
        alias = ModuleType("autoattack")
        alias.AutoAttack = AutoAttack  # type: ignore[attr-defined]
        alias.state = pyautoattack.state  # type: ignore[attr-defined]
        sys.modules["autoattack"] = alias
        sys.modules["autoattack.state"] = pyautoattack.state
    return importlib.import_module("robustbench")
