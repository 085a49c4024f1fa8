"""Arithmetic that a run asks for: products of matrices and convolutions, as PyTorch counts them."""

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Operations(TorchDispatchMode):
    """`with Operations() as counted:` adds up `counted.total`.

    PyTorch's FlopCounterMode counts the same, by module; for that it hooks into every module's
    inputs, which forbids autograd.grad by an image that a network takes, as attacks do.
    """

    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **kwargs, out_val=result)
        return result
