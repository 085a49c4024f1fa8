"""Load published generator weights: DeepFillv2's `states_pt_places2.pth` and AToP snapshots."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from atop.core.errors import AtopError
from atop.method.purifiers.deepfill.generator import Generator

FIRST_KEY = "stage1.conv1.conv.weight"
FUSE_KEY = "stage2.contextual_attention.fuse_weight"


def load_public(
    generator: Generator, state: Mapping[str, Any], *, source: str = "checkpoint"
) -> None:
    """Fill `generator` with the weights in `state`, every one of them.

    Args:
        generator: of the width that the weights have (48 for all public files).
        state: the file's dictionary, with the weights under "G" or directly. AToP snapshots hold
            the whole defence: `generator.` is stripped, the classifier under `res.` left out.
        source: the file's name, for the error message.

    Raises:
        AtopError: the weights belong to another variant, width or network.
    """
    weights = _generator_weights(state, source)
    weights.setdefault(FUSE_KEY, torch.eye(3).view(1, 1, 3, 3))
    expected = generator.state_dict()
    _check(weights, expected, source)
    generator.load_state_dict(weights, strict=True)


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


def _check(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    missing = sorted(expected.keys() - weights.keys())
    if missing:
        raise AtopError(
            f"{source}: key '{missing[0]}' is missing ({len(missing)} in all): "
            "the file is not complete, fetch it again"
        )
    unexpected = sorted(weights.keys() - expected.keys())
    if unexpected:
        raise AtopError(
            f"{source}: key '{unexpected[0]}' is unknown ({len(unexpected)} in all): "
            "use a file with the weights of one DeepFillv2 generator"
        )
    for key, value in expected.items():
        if weights[key].shape != value.shape:
            raise AtopError(
                f"{source}: key '{key}' has shape {tuple(weights[key].shape)}, this generator "
                f"{tuple(value.shape)}: build it with the width of the file (48 for public files)"
            )
    if not torch.equal(weights[FUSE_KEY].cpu().float(), torch.eye(3).view(1, 1, 3, 3)):
        raise AtopError(
            f"{source}: key '{FUSE_KEY}' is not the identity kernel: "
            "the attention here computes no other, drop the key or use another file"
        )
