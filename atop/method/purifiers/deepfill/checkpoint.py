"""Load published generator weights: DeepFillv2's `states_pt_places2.pth` and AToP snapshots."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.method.purifiers.deepfill.generator import Generator

FIRST_KEY = "stage1.conv1.conv.weight"
FUSE_KEY = "stage2.contextual_attention.fuse_weight"


def load_public(
    generator: Generator, state: Mapping[str, Any], *, source: str = "checkpoint"
) -> None:
    """Fill `generator` strictly with the weights in `state`.

    Args:
        generator: has the width of the weights (48 in all public files).
        state: the file's dictionary, with the weights under "G" or directly. AToP snapshots hold
            the complete defence: `generator.` is stripped, the classifier under `res.` is ignored.
        source: the file's name, for messages.

    Raises:
        AtopError: the weights belong to another variant, width or network.
    """
    weights = _generator_weights(state, source)
    weights.setdefault(FUSE_KEY, torch.eye(3).view(1, 1, 3, 3))
    if not torch.equal(weights[FUSE_KEY].cpu().float(), torch.eye(3).view(1, 1, 3, 3)):
        raise AtopError(
            f"{source}: key '{FUSE_KEY}' is not the identity kernel: "
            "the attention here computes no other, drop the key or use another file"
        )
    checkpoints.fill(generator, weights, source=source)


def _generator_weights(state: Mapping[str, Any], source: str) -> dict[str, Tensor]:
    inner = state.get("G", state)
    if not isinstance(inner, Mapping):
        raise AtopError(f"{source}: key 'G' holds no state dict: use a file with generator weights")
    weights = {
        key.removeprefix("generator."): value
        for key, value in inner.items()
        if not key.startswith("res.")
    }
    if FIRST_KEY in weights:
        return weights
    if any(key.startswith("stage1.") for key in weights):
        raise AtopError(
            f"{source}: no key '{FIRST_KEY}', so this is the TF-compatible variant of DeepFillv2: "
            "use states_pt_places2.pth instead"
        )
    raise AtopError(
        f"{source}: no key '{FIRST_KEY}', so this is no DeepFillv2 generator: "
        "use states_pt_places2.pth or an AToP snapshot"
    )
