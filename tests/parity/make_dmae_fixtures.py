"""Make `fixtures/dmae.npz` by running the published DMAE; the tests then need none of it.

The committed file comes from github.com/quanlin-wu/dmae at commit 782f139, whose models_dmae.py
runs with timm 1.0.9, too, once numpy has its `float` back; torch 2.15 and numpy 2.4 on a CPU:

    python tests/parity/make_dmae_fixtures.py --dmae ../dmae

    positions_encoder (1,65,24), positions_decoder (1,65,16)
                          float32, position embeddings of the network `SMALL`, for 32 pixels
    tokens (2,64,48)      float64, `patchify` of images(2, 32, 32, seed=18)
    sizes (3,2)           int64, parameters of base, large and huge: all, and those that are fixed

and for R = 25, 75, the rate of missing tokens in percent, from one `forward` of SMALL in float64
with the weights `fill(seed=8)`, the loss on pixels that are not standardised (`norm_pix_loss` off),
and the numbers of `randomness()` for random ones, at 32 pixels instead of 224:
    ranks_R (2,64)        int64, ids_restore: tokens of the lowest ranks are there
    mask_R (2,64)         1 where a token is missing
    drawn_R (2,3,32,32)   what it predicts, unpatchified: images in its normalised units
    loss_R ()
    gradient_R            (2,3,32,32) of the loss by the images, noisy input and target both
"""

import argparse
import importlib
import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from weights import fill, images, symmetric

SMALL = {"patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 3}
DECODER = {"decoder_embed_dim": 16, "decoder_depth": 1, "decoder_num_heads": 2}
SIZES = ("base_patch16", "large_patch16", "huge_patch14")


def published(folder: Path) -> Any:
    """The module with the published networks, of a checkout."""
    vars(np)["float"] = float
    sys.path.insert(0, str(folder))
    return importlib.import_module("models_dmae")


def randomness() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Stand-ins: noise (2,3,32,32) in [-1,1), and numbers (2,64) that tokens are ranked by."""
    return symmetric((2, 3, 32, 32), 19), symmetric((2, 64), 20)


def arrays(theirs: Any) -> dict[str, Any]:
    """The content of the file."""
    network = theirs.DenoisingMaskedAutoencoderViT(
        img_size=32, sigma=0.25, norm_layer=partial(nn.LayerNorm, eps=1e-6), **SMALL, **DECODER
    )
    found = {
        "positions_encoder": network.pos_embed.numpy().copy(),
        "positions_decoder": network.decoder_pos_embed.numpy().copy(),
        "tokens": network.patchify(images(2, 32, 32, seed=18)).numpy(),
        "sizes": np.array([_size(getattr(theirs, f"dmae_vit_{name}")) for name in SIZES]),
    }
    fill(network.double(), seed=8)
    for rate in (25, 75):
        found |= {f"{name}_{rate}": value for name, value in _forward(theirs, network, rate)}
    return found


def _forward(theirs: Any, network: Any, rate: int) -> list[tuple[str, Any]]:
    """What one forward pass says, its random numbers and its resizing replaced."""
    noise, numbers = map(torch.from_numpy, randomness())
    x = images(2, 32, 32, seed=18).requires_grad_()
    with (
        patch.object(torch, "randn_like", lambda _: noise),
        patch.object(torch, "rand", lambda *_, **__: numbers),
        patch.object(theirs.transforms, "Resize", lambda *_, **__: nn.Identity()),
    ):
        loss, pred, mask = network(x, mask_ratio=rate / 100)
        _, again, ranks = network.random_masking(pred, rate / 100)
    assert torch.equal(mask, again)
    return [
        ("ranks", ranks.numpy()),
        ("mask", mask.numpy()),
        ("drawn", network.unpatchify(pred).detach().numpy()),
        ("loss", loss.item()),
        ("gradient", torch.autograd.grad(loss, x)[0].numpy()),
    ]


def _size(make: Any) -> tuple[int, int]:
    with torch.device("meta"):
        parameters = list(make().parameters())
    fixed = sum(one.numel() for one in parameters if not one.requires_grad)
    return sum(one.numel() for one in parameters), fixed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dmae", type=Path, required=True, help="checkout of quanlin-wu/dmae")
    theirs = published(parser.parse_args().dmae)
    np.savez_compressed(Path(__file__).parent / "fixtures" / "dmae.npz", **arrays(theirs))


if __name__ == "__main__":
    main()
