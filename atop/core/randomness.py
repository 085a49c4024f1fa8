"""Random numbers that are a pure function of (seed, stream, purpose, example index, draw).

They do not depend on the batch, the order, the device, a resume, or the state of the global
generator, which AutoAttack reseeds. The generator is Philox4x32-10 (Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", SC 2011), on int64 tensors so that it runs on any device.
"""

import hashlib
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

FIXED = "fixed"
"""The stream of the draw that a fixed-randomness attack and its evaluation share."""

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> Tensor:
    """Return Philox4x32-10, (..., 4) int64, of a broadcastable int64 counter and a key.

    All integers are in [0, 2**32).
    """
    c0, c1, c2, c3 = torch.broadcast_tensors(*counter)  # type: ignore[no-untyped-call]
    k0, k1 = key
    for _ in range(_ROUNDS):
        # int64 products wrap modulo 2**64, which keeps all bits; masks undo the sign of the shift
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _MASK) ^ c1 ^ k0,
            p1 & _MASK,
            ((p0 >> 32) & _MASK) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return torch.stack((c0, c1, c2, c3), dim=-1)


def _digest(*parts: object) -> int:
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


@dataclass(frozen=True)
class Randomness:
    """One draw for each example of a batch.

    Args:
        seed: the run's seed.
        stream: user of the numbers, such as "train", "attack" or "evaluate"; all are independent.
        index: (B,) int64, the examples' indices in their dataset, in [0, 2**32).
        draw: number of the draw, in [0, 2**32); one for all examples, or (B,) int64.
        shared: purposes for which the batch shares the numbers of its first example (the authors'
            code draws one mask a batch; deviation B21).
        first: (1,), index of that example if the batch is a selection; None for the first here.
        constant: purposes whose numbers are the same for all examples, draws and streams.
    """

    seed: int
    stream: str
    index: Tensor
    draw: int | Tensor = 0
    shared: frozenset[str] = frozenset()
    first: Tensor | None = None
    constant: frozenset[str] = frozenset()

    def at(self, draw: int | Tensor) -> "Randomness":
        """Return the same examples at another draw, one for all or (B,)."""
        return replace(self, draw=draw)

    def select(self, keep: Tensor | slice) -> "Randomness":
        """Return the same draw for a selection of the examples; shared numbers stay the same."""
        draw = self.draw[keep] if isinstance(self.draw, Tensor) else self.draw
        return replace(self, index=self.index[keep], draw=draw, first=self._first())

    def _first(self) -> Tensor:
        """Return the index of the batch's first example, (1,)."""
        return self.index[:1] if self.first is None else self.first

    def draws(self, first: int, count: int) -> "Randomness":
        """Return `count` copies of the examples, (count * B,), at draws first, first + 1, ..."""
        if count == 1:
            return self.at(first)
        draw = torch.arange(first, first + count, device=self.index.device)
        size = len(self.index)
        return replace(self, index=self.index.repeat(count), draw=draw.repeat_interleave(size))

    def _integers(self, count: int, purpose: str) -> Tensor:
        """Return (B, count) int64 in [0, 2**32)."""
        index, draw, stream = self.index, self.draw, self.stream
        if purpose in self.constant:
            index, draw, stream = torch.zeros_like(index), 0, "constant"
        elif purpose in self.shared:
            index = self._first().expand_as(index)
        key = _digest(self.seed, stream, purpose)
        blocks = torch.arange(-(-count // 4), device=index.device)
        if not isinstance(draw, Tensor):  # filled on the device; a copy would wait for it
            draw = index.new_full((1,), draw)
        draw = draw.expand(len(index))
        counter = (index[:, None], draw[:, None], blocks, torch.zeros_like(blocks))
        return philox(counter, (key >> 32, key & _MASK)).flatten(1)[:, :count]

    def number(self) -> int:
        """Return one number in [0, 2**63) for the draws of all examples together."""
        draw = self.draw.tolist() if isinstance(self.draw, Tensor) else self.draw
        return _digest(self.seed, self.stream, self.index.tolist(), draw) >> 1

    def uniform(self, shape: tuple[int, ...], purpose: str) -> Tensor:
        """Return (B, *shape) float32, uniform in the open interval (0, 1)."""
        integers = self._integers(math.prod(shape), purpose)
        values = ((integers >> 8).float() + 0.5) / 2**24  # float32 rounds the largest up to 1
        return values.clamp(max=1 - 2**-24).reshape(-1, *shape)

    def normal(self, shape: tuple[int, ...], purpose: str) -> Tensor:
        """Return (B, *shape) float32, standard normal (Box-Muller; no value beyond 5.9)."""
        count = math.prod(shape)
        pairs = -(-count // 2)
        radius, angle = self.uniform((2 * pairs,), purpose).chunk(2, dim=1)
        radius = (-2 * radius.log()).sqrt()
        angle = 2 * math.pi * angle
        both = torch.cat((radius * angle.cos(), radius * angle.sin()), dim=1)
        return both[:, :count].reshape(-1, *shape)

    def permutation(self, size: int, purpose: str) -> Tensor:
        """Return (B, size) int64, a uniformly random permutation of range(size) per example."""
        return self.uniform((size,), purpose).argsort(dim=1, stable=True)
