"""Make `fixtures/*.npz` by running the published codes; the tests then need neither of them.

The committed files come from github.com/glin2022/atop at commit 9fa1e91 and torchattacks 3.5.1
(the wheel, unpacked), torch 2.15 on a CPU:

    python tests/parity/make_fixtures.py --atop ../atop-official --torchattacks ../torchattacks

Weights and images of the networks are not stored: `weights.py` makes them from seeds on both sides.

`networks.npz`, float32 but for the attention, seeds and gains in `networks()`:
    coarse_pair, refined_pair     (2,3,64,64) generator of width 48, two images with one mask
    coarse_single, refined_single (1,3,48,80) one image with another mask, not square
    gradient_single               (1,3,48,80) of the sum of refined_single by the network's input
    attention, attention_gradient (2,12,16,24) float64, the attention alone on faint features, where
                                  missing patches weigh on the softmax; gradient of the sum of cubes
    scores                        (2,256) in-place discriminator, one forward
    sigma_weight                  (64,4,5,5) the discriminator's first weight after that forward
    logits                        (1,10) ResNet-18 at 256x256

`attacks.npz`, float64, against `weights.SmallNet`:
    images (8,3,8,8)    image 6 has pixels at 0 and 1
    labels (8,)         int64, what the network says, but a wrong one for image 7
    start (8,3,8,8)     uniform noise in [-8/255,8/255] that PGD adds to the images, then clamps
    fgsm                eps 8/255
    pgd10, pgd20        eps 8/255, step 2/255, 10 and 20 steps from `start`
    cw                  c 1, kappa 0, lr 0.01, 100 steps, one image at a time
    cw_forwards (8,)    forward passes that CW made: fewer than 100 is its early abort
    cw_success (8,)     whether the network errs on `cw`
    cw_zero_floor (8,)  whether the published margin ever differed from z_y - max_{j!=y} z_j: it
                        multiplies logits by a one-hot row before taking maxima, so that both of its
                        terms are at least 0
"""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from weights import SmallNet, fill, hole_mask, images, symmetric

EPS, STEP = 8 / 255, 2 / 255
Arrays = dict[str, Any]


def networks() -> Arrays:
    """Outputs of the authors' networks, imported from their checkout."""
    theirs: Any = importlib.import_module("model.networks")
    resnets: Any = importlib.import_module("models.resnet")
    arrays: Arrays = {}

    generator = theirs.Generator(cnum=48)
    fill(generator, seed=1, gain=2.0)
    for name, batch, size, seed in (("pair", 2, (64, 64), 11), ("single", 1, (48, 80), 12)):
        mask = hole_mask(*size, seed=seed).float().expand(batch, -1, -1, -1)
        x = ((2 * images(batch, *size, seed=seed) - 1).float() * (1 - mask)).requires_grad_()
        inputs = torch.cat([x, torch.ones_like(mask), mask], dim=1)
        coarse, refined = generator(inputs, mask)
        arrays |= {f"coarse_{name}": _numbers(coarse), f"refined_{name}": _numbers(refined)}
    arrays["gradient_single"] = _numbers(torch.autograd.grad(refined.sum(), x)[0])

    attention = theirs.ContextualAttention(
        ksize=3, stride=1, rate=2, fuse_k=3, softmax_scale=10, fuse=True, n_down=2
    ).double()
    features = torch.from_numpy(0.05 * symmetric((2, 12, 16, 24), 2)).requires_grad_()
    output, _ = attention(features, features, hole_mask(64, 96, seed=13).expand(2, -1, -1, -1))
    arrays["attention"] = _numbers(output)
    gradient = torch.autograd.grad(output.pow(3).sum(), features)[0]
    arrays["attention_gradient"] = _numbers(gradient)

    discriminator = theirs.Discriminator(4, 64)
    fill(discriminator, seed=3)
    mask = hole_mask(64, 64, seed=11).float().expand(2, -1, -1, -1)
    x = (2 * images(2, 64, 64, seed=11) - 1).float()
    arrays["scores"] = _numbers(discriminator(torch.cat([x, mask], dim=1)))
    arrays["sigma_weight"] = _numbers(discriminator.conv1.conv_sn.weight)

    resnet = resnets.ResNet18().eval()
    fill(resnet, seed=4)
    arrays["logits"] = _numbers(resnet(images(1, 256, 256, seed=14).float()))
    return arrays


def attacks() -> Arrays:
    """Outputs of torchattacks on a fixed float64 network."""
    library: Any = importlib.import_module("torchattacks")
    net = SmallNet()
    x = images(8, 8, 8, seed=21)
    x[6] = (1.5 * x[6] - 0.25).clamp(0, 1)
    logits = net(x)
    labels = logits.argmax(dim=1)
    labels[7] = logits[7].argsort()[-3]

    def seeded_pgd(steps: int) -> Tensor:
        torch.manual_seed(0)
        adversarial: Tensor = library.PGD(net, eps=EPS, alpha=STEP, steps=steps)(x, labels)
        return adversarial

    torch.manual_seed(0)
    start = torch.empty_like(x).uniform_(-EPS, EPS)  # what PGD draws after the same seed
    attack = library.CW(net, c=1, kappa=0, steps=100, lr=0.01)
    cw, seen = [], []
    for i in range(len(x)):
        with _Recorded(net) as outputs:
            cw.append(attack(x[i : i + 1], labels[i : i + 1]))
        seen.append(outputs)
    found = torch.cat(cw)
    return {
        "images": _numbers(x),
        "labels": _numbers(labels),
        "start": _numbers(start),
        "fgsm": _numbers(library.FGSM(net, eps=EPS)(x, labels)),
        "pgd10": _numbers(seeded_pgd(10)),
        "pgd20": _numbers(seeded_pgd(20)),
        "cw": _numbers(found),
        "cw_forwards": np.array([len(outputs) for outputs in seen]),
        "cw_success": _numbers(net(found).argmax(dim=1) != labels),
        "cw_zero_floor": np.array(
            [_floored(outputs, label) for outputs, label in zip(seen, labels, strict=True)]
        ),
    }


class _Recorded:
    """Context that yields a list which every output of `module` is appended to."""

    def __init__(self, module: nn.Module) -> None:
        self.outputs: list[Tensor] = []
        self.handle = module.register_forward_hook(self._append)

    def _append(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        self.outputs.append(output.detach())

    def __enter__(self) -> list[Tensor]:
        return self.outputs

    def __exit__(self, *error: object) -> None:
        self.handle.remove()


def _floored(outputs: list[Tensor], label: Tensor) -> bool:
    logits = torch.cat(outputs)
    others = torch.cat([logits[:, :label], logits[:, label + 1 :]], dim=1).amax(dim=1)
    return bool(((logits[:, label] < 0) | (others < 0)).any())


def _numbers(tensor: Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--atop", required=True, help="checkout of glin2022/atop")
    parser.add_argument("--torchattacks", required=True, help="folder that holds torchattacks/")
    arguments = parser.parse_args()
    sys.path[:0] = [arguments.atop, arguments.torchattacks]
    folder = Path(__file__).parent / "fixtures"
    folder.mkdir(exist_ok=True)
    np.savez_compressed(folder / "networks.npz", **networks())
    np.savez_compressed(folder / "attacks.npz", **attacks())


if __name__ == "__main__":
    main()
