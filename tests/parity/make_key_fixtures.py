"""Make `fixtures/keys.json` and `fixtures/logits.npz` by running the published networks.

The committed files come from robustbench 1.1.1 (installed) and these repositories, checked out:
github.com/glin2022/atop at 9fa1e91, NVlabs/DiffPure at 9857030, kuangliu/pytorch-cifar at 49b7aa9,
MadryLab/robustness at a954124 (whose AttackerModel perceptual-advex saves), quanlin-wu/dmae at
782f139, torch 2.15 on a CPU:

    python tests/parity/make_key_fixtures.py --atop ../atop-official --diffpure ../DiffPure
        --kuangliu ../pytorch-cifar --robustness ../robustness --dmae ../dmae

`keys.json`: `lists` of state dicts as `keys.py` writes them, each once, and in `networks` which of
them a network has: REPOSITORY-DEPTH, the row of classifiers.yaml for RobustBench's, or `dmae-base`.

`logits.npz`, float32: what each network of a repository says, (1,10) or (1,100), with weights
`fill(seed=5)` to `images(1, 32 or 256, seed=15)`; AttackerModel's normalisation stays as it is.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from keys import Shapes, shapes, without_numbers, written
from make_dmae_fixtures import published as dmae
from torch import nn
from weights import fill, images

from atop.experiment import config
from atop.method.registry import build

Networks = dict[str, Callable[[], nn.Module]]


def of_repositories(args: argparse.Namespace) -> Networks:
    """Constructors by name; those of 256 pixels are the authors'."""
    atop = _module(args.atop / "models" / "resnet.py")
    diffpure = _module(args.diffpure / "classifiers" / "cifar10_resnet.py")
    kuangliu = _module(args.kuangliu / "models" / "resnet.py")
    networks: Networks = {}
    for depth in (18, 34, 50):
        networks[f"kuangliu-{depth}"] = getattr(kuangliu, f"ResNet{depth}")
        networks[f"atop-{depth}"] = getattr(atop, f"ResNet{depth}")
    networks["diffpure-50"] = diffpure.ResNet50
    networks["attacker-50"] = _attacker(args.robustness)
    return networks


def _attacker(folder: Path) -> Callable[[], nn.Module]:
    """AttackerModel around a ResNet-50 for CIFAR-10, with what it needs no more of left out."""
    for name in ("dill", "cox", "cox.utils", "cox.store"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.path.insert(0, str(folder))
    attacker: Any = importlib.import_module("robustness.attacker")
    resnet: Any = importlib.import_module("robustness.cifar_models.resnet")
    cifar = SimpleNamespace(  # as robustness.datasets.CIFAR, which imports far more
        mean=torch.tensor([0.4914, 0.4822, 0.4465]), std=torch.tensor([0.2023, 0.1994, 0.2010])
    )

    class Logits(attacker.AttackerModel):  # type: ignore[misc, name-defined]
        def forward(self, x: torch.Tensor) -> Any:
            return super().forward(x)[0]

    return lambda: Logits(resnet.ResNet50(num_classes=10), cifar)


def of_robustbench() -> Networks:
    """The packages' own networks, of the rows that name one, and the two that ours stand for."""
    rows = {name: row for name, row in config.classifiers().items() if row.family == "robustbench"}
    named = {name: row.options for name, row in rows.items()}
    cifar10 = {"dataset": "cifar10", "threat": "Linf"}
    named["standard"] = {"model": "Standard", **cifar10}
    named["diffpure-70-16"] = {"model": "Gowal2020Uncovering_70_16_extra", **cifar10}

    def network(options: dict[str, Any]) -> nn.Module:
        classes = {"cifar10": 10, "cifar100": 100}[options["dataset"]]
        return build("classifiers", "robustbench", classes=classes, **options).network

    return {name: lambda chosen=chosen: network(chosen) for name, chosen in named.items()}


def _module(path: Path) -> Any:
    """A file as a module, apart from the package that it lies in."""
    spec = importlib.util.spec_from_file_location("published", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keys(networks: Networks) -> dict[str, Any]:
    """The content of keys.json."""
    lists: dict[str, list[str] | str] = {}
    users: dict[str, str] = {}
    for name, make in networks.items():
        with without_numbers():
            found: Shapes = shapes(make().state_dict())
        lines = written(found)
        known = next((other for other, list_ in lists.items() if list_ == lines), None)
        lists.setdefault(known or name, lines)
        users[name] = known or name
    return {"networks": users, "lists": lists}


def logits(networks: Networks) -> dict[str, Any]:
    """The content of logits.npz."""
    found = {}
    for name, make in networks.items():
        network = make().eval()
        fill(network.model if name == "attacker-50" else network, seed=5)
        side = 256 if name.startswith("atop") else 32
        with torch.no_grad():
            found[name] = network(images(1, side, side, seed=15).float()).numpy()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("atop", "diffpure", "kuangliu", "robustness", "dmae"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    folder = Path(__file__).parent / "fixtures"
    args = parser.parse_args()
    published = of_repositories(args)
    base = {"dmae-base": dmae(args.dmae).dmae_vit_base_patch16}
    content = keys({**published, **of_robustbench(), **base})
    (folder / "keys.json").write_text(json.dumps(content, indent=0) + "\n")
    np.savez(folder / "logits.npz", **logits(published))


if __name__ == "__main__":
    main()
