"""Execution of networks: precision, memory layout, compilation, recomputation.

A preset's `compute` sets them for training and attacks. Reported numbers never depend on them:
evaluation and the judges of attacks run in float32.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

_BACKENDS: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Settings of execution.

    Attributes:
        precision: float32; tf32, in which a GPU rounds factors to ten bits; or bfloat16, which is
            autocast, and tf32 for operations that autocast leaves in float32.
        channels_last: memory layout of weights; activations follow it.
        compile: use torch.compile for the purifier.
        recompute: run segments again in the backward pass, which saves memory.
        timings: milliseconds of all candidates by name, if it was chosen as the fastest.
    """

    precision: str = "float32"
    channels_last: bool = False
    compile: bool = False
    recompute: bool = False
    timings: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        """Precision and layout, such as "bfloat16, channels last"."""
        return self.precision + (", channels last" if self.channels_last else "")

    def prepare(self, network: nn.Module) -> None:
        """Set layout and recomputation of a network in place; weights keep names and values."""
        if self.channels_last:
            network.to(memory_format=torch.channels_last)
        if self.recompute:
            recompute(network)

    def fuse(self, purifier: nn.Module) -> None:
        """Compile a purifier in place."""
        if self.compile:
            name = "stages" if hasattr(purifier, "stages") else "forward"
            setattr(purifier, name, torch.compile(getattr(purifier, name)))

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Set the rounding of products inside the block, forward and backward."""
        before = [backend.fp32_precision for backend in _BACKENDS]
        try:
            for backend in _BACKENDS:
                backend.fp32_precision = "ieee" if self.precision == "float32" else "tf32"
            yield
        finally:
            for backend, precision in zip(_BACKENDS, before, strict=True):
                backend.fp32_precision = precision

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """Return the context for forward passes; backward passes follow them."""
        if self.precision != "bfloat16":
            return nullcontext()
        return torch.autocast(device.type, dtype=torch.bfloat16)

    def run(self, network: Callable[..., Tensor], x: Tensor, *more: Any) -> Tensor:
        """Return the network's output for x, in the dtype of x."""
        with self.autocast(x.device):
            return network(x, *more).to(x.dtype)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        settings = asdict(self)
        del settings["timings"]
        return settings

    def provenance(self) -> dict[str, Any]:
        """Return the settings and, if they were chosen as the fastest, why."""
        chosen = {"chosen": "auto", "ms": dict(self.timings)} if self.timings else {}
        return self.as_dict() | chosen


FLOAT32 = Compute()


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Return the context for operations that must stay in float32 under autocast."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


class Segment(nn.Module):
    """A module that can recompute its activations in the backward pass from its input."""

    recompute = False

    def checkpointed(self, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Return run(x); if `recompute` is set, the backward pass runs it again."""
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(run, x, use_reentrant=False, preserve_rng_state=False)
        return run(x)


def recompute(network: nn.Module) -> bool:
    """Set `recompute` of all segments of a network; return true if that changes any of them."""
    modules = [m for m in network.modules() if isinstance(m, Segment) and not m.recompute]
    for module in modules:
        module.recompute = True
    return bool(modules)
