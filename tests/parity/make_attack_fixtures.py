"""Make `fixtures/l2_and_stadv.npz` by running published attacks; the tests then need none of them.

The committed file comes from foolbox 3.3.4 with eagerpy 0.30.0, and from `stadv_eot` of
github.com/NVlabs/DiffPure at commit 985703f, which is perceptual-advex 0.2.6' StAdv with gradients
averaged over draws; recoloradv 0.0.1, which that one calls, gives the same numbers to the last bit.
torch 2.15 and numpy 2.4 on a CPU; `stadv_eot` imports matplotlib and six, too:

    PYTHONPATH=../parity-pkgs python tests/parity/make_attack_fixtures.py --diffpure ../DiffPure

All is float64, against `Steep` on the images and labels of `attacks.npz`:
    l2_10, l2_20 (8,3,8,8)  L2 PGD on the cross-entropy, eps 0.5, step 0.1 along the unit gradient,
                            10 and 20 steps from the images themselves
    stadv_NAME (8,3,8,8)    StAdv, lr 0.01, one draw: the warped images that come back
    flow_NAME (8,8,8,2)     the sampling grid behind them, in [-1,1], horizontal coordinate first
    objective_NAME (S,8)    what is raised, for each image before each of the S steps
NAME is `short` (bound 0.05, 10 steps), `long` (0.05, 20 steps) or `wide` (0.3, 20 steps, where the
grid runs into the image's border).
"""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from weights import SmallNet

EPS, STEP = 0.5, 0.1
STADV = {"short": (0.05, 10), "long": (0.05, 20), "wide": (0.3, 20)}
FOLDER = Path(__file__).parent / "fixtures"
Arrays = dict[str, Any]


class Steep(SmallNet):
    """Margins that weigh more than the roughness of StAdv's flow, which otherwise hardly moves."""

    def forward(self, x: Tensor) -> Tensor:
        return 50 * super().forward(x)


def l2(x: Tensor, labels: Tensor) -> Arrays:
    """Outputs of foolbox."""
    foolbox: Any = importlib.import_module("foolbox")
    model = foolbox.PyTorchModel(Steep(), bounds=(0, 1), device="cpu")
    arrays: Arrays = {}
    for steps in (10, 20):
        attack = foolbox.attacks.L2ProjectedGradientDescentAttack(
            abs_stepsize=STEP, steps=steps, random_start=False
        )
        arrays[f"l2_{steps}"] = _numbers(attack.run(model, x, labels, epsilon=EPS))
    return arrays


def stadv(x: Tensor, labels: Tensor) -> Arrays:
    """Outputs of DiffPure's copy of StAdv, which makes its grids in the default type."""
    library: Any = importlib.import_module("stadv_eot.attacks")
    torch.set_default_dtype(torch.float64)
    arrays: Arrays = {}
    for name, (bound, steps) in STADV.items():
        attack = library.StAdvAttack(Steep(), bound=bound, num_iterations=steps)
        attack._setup_attack()
        objectives = _recorded(attack.pgd_attack.loss_fxn)
        warped, *_, perturbation = attack.attack.attack(x, labels)
        arrays[f"stadv_{name}"] = _numbers(warped)
        arrays[f"flow_{name}"] = _numbers(perturbation.xform.xform_params)
        arrays[f"objective_{name}"] = _numbers(torch.stack(objectives))
    return arrays


def _recorded(loss: Any) -> list[Tensor]:
    """A list which every value that `loss.forward` returns is appended to from now on."""
    values: list[Tensor] = []
    forward = loss.forward

    def append(*args: Any, **kwargs: Any) -> Tensor:
        value: Tensor = forward(*args, **kwargs)
        values.append(value)
        return value

    loss.forward = append
    return values


def _numbers(tensor: Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--diffpure", required=True, help="checkout of NVlabs/DiffPure")
    sys.path.insert(0, parser.parse_args().diffpure)
    with np.load(FOLDER / "attacks.npz") as arrays:
        x, labels = (torch.from_numpy(arrays[name]) for name in ("images", "labels"))
    np.savez_compressed(FOLDER / "l2_and_stadv.npz", **l2(x, labels), **stadv(x, labels))


if __name__ == "__main__":
    main()
