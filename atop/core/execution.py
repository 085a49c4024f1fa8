"""How networks are run: number format, memory layout, compiled or not, what backward passes keep.

A preset's `compute` says it for training and for attacks. Numbers that are reported never depend on
it: evaluation and the judges of attacks run in float32.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

_PRODUCTS: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Compute:
    """How networks are run.

    Attributes:
        precision: float32; tf32, which lets a GPU round what it multiplies to ten bits; bfloat16,
            which is autocast, with what it leaves in float32 as under tf32.
        channels_last: the layout of weights, which activations follow.
        compile: whether torch.compile fuses the purifier.
        recompute: whether segments are run again in the backward pass, for memory.
    """

    precision: str = "float32"
    channels_last: bool = False
    compile: bool = False
    recompute: bool = False

    def prepare(self, network: nn.Module) -> None:
        """Lay out a network and mark its segments, in place; weights keep names and values."""
        if self.channels_last:
            network.to(memory_format=torch.channels_last)
        if self.recompute:
            recompute(network)

    def fuse(self, purifier: nn.Module) -> None:
        """Compile what a purifier does, in place."""
        if self.compile:
            name = "stages" if hasattr(purifier, "stages") else "forward"
            setattr(purifier, name, torch.compile(getattr(purifier, name)))

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Products inside the block round as the precision says, backward passes too."""
        wanted = "ieee" if self.precision == "float32" else "tf32"
        before = [one.fp32_precision for one in _PRODUCTS]
        try:
            for one in _PRODUCTS:
                one.fp32_precision = wanted
            yield
        finally:
            for one, precision in zip(_PRODUCTS, before, strict=True):
                one.fp32_precision = precision

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """For forward passes; backward ones follow them."""
        if self.precision != "bfloat16":
            return nullcontext()
        return torch.autocast(device.type, dtype=torch.bfloat16)

    def run(self, network: Callable[..., Tensor], x: Tensor, *more: Any) -> Tensor:
        """What a network says of x, in the dtype of x."""
        with self.autocast(x.device):
            return network(x, *more).to(x.dtype)

    def as_dict(self) -> dict[str, Any]:
        """Its settings by name."""
        return asdict(self)


FLOAT32 = Compute()


def exactly(device: torch.device) -> AbstractContextManager[Any]:
    """For what must stay in float32 inside a forward pass under autocast."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


class Segment(nn.Module):
    """A module that keeps only its input for the backward pass when `recompute` says so."""

    recompute = False

    def again(self, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """run(x), which a backward pass runs again where it may."""
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(run, x, use_reentrant=False, preserve_rng_state=False)
        return run(x)


def recompute(network: nn.Module) -> bool:
    """Let all segments of a network recompute; whether one did not before."""
    segments = [one for one in network.modules() if isinstance(one, Segment) and not one.recompute]
    for one in segments:
        one.recompute = True
    return bool(segments)
