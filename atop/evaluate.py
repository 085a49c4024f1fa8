"""Adversarial sets, and the outcomes of a cell on them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from atop import assemble, checkpoints, config, paths
from atop.attacks._base import Attack, Target
from atop.cells import Cell
from atop.checks import findings
from atop.data import Split
from atop.errors import AtopError
from atop.files import read_json, sha256, write_json, writing
from atop.progress import progress
from atop.provenance import Stopwatch
from atop.randomness import Randomness


def test_pictures(preset: str, dataset: str) -> Split:
    """The fixed test pictures of a preset: the first n of a seeded permutation of the test set.

    With seed 0 and n = 512 on CIFAR-10 they are RandomState(0).choice(10000, 512, replace=False),
    the choice of Lee & Kim (2023); a slice of a dataset gives the same pictures as the whole.
    """
    chosen = config.preset(preset)["evaluation"]
    test = assemble.dataset(dataset).test
    published = config.dataset(dataset)["test_size"]
    wanted = np.random.RandomState(chosen["seed"]).permutation(published)[: chosen["n"]]
    position = {int(index): place for place, index in enumerate(test.index)}
    missing = [int(index) for index in wanted if int(index) not in position]
    if missing:
        raise AtopError(
            f"{paths.dataset(dataset)}: lacks test picture {missing[0]} of the evaluation set; "
            "lower evaluation.n of the preset or take its evaluation.seed back"
        )
    return test.take(torch.tensor([position[int(index)] for index in wanted]))


def _batches(split: Split, size: int) -> Iterator[Split]:
    for start in range(0, len(split), size):
        yield split.take(slice(start, start + size))


def make_adversarial(preset: str, victim: Cell, attack: str, *, device: torch.device) -> Path:
    """Attack a cell on the preset's test pictures; store them as float32 with an account."""
    watch = Stopwatch(device)
    split = test_pictures(preset, victim.dataset).to(device)
    target = assemble.defense(preset, victim).to(device)
    method = assemble.attack(preset, attack)
    size = config.preset(preset)["sizes"]["input"]
    seed = config.preset(preset)["seed"]
    parts = []
    with progress(f"attack {attack} on {victim.id}", len(split), unit="img") as bar:
        for part in _batches(split, config.preset(preset)["evaluation"]["batch"]):
            randomness = Randomness(seed, f"attack:{attack}", part.index)
            parts.append(run_attack(method, target, part.inputs(size), part.labels, randomness))
            bar.update(len(part))
    out = paths.adversarial(preset, victim, attack)
    account = {
        "victim": victim.as_dict(),
        "attack": attack,
        "budget": config.attack(attack, preset),
        "provenance": watch.provenance(checkpoints=checkpoint_hashes(preset, victim)),
    }
    write_json(out.with_suffix(".json"), account)
    with writing(out) as temporary:
        save_file({"images": torch.cat(parts).cpu(), "index": split.index.cpu()}, temporary)
    return out


def run_attack(
    method: Attack, target: Target, x: Tensor, y: Tensor, randomness: Randomness
) -> Tensor:
    """Run an attack and hold it to its contract: inside [0, 1], which NaN is not."""
    x_adv = method(target, x, y, randomness).detach()
    if not (x_adv.min() >= 0 and x_adv.max() <= 1):
        raise AtopError(f"{type(method).__name__}: made pictures that are not inside [0, 1]")
    return x_adv


def load_adversarial(path: Path, split: Split) -> Tensor:
    """The stored pictures, (N, 3, H, W); AtopError if they were made from other examples."""
    tensors = checkpoints.read(path)
    if tensors.keys() != {"images", "index"}:
        raise AtopError(f"{path}: not an adversarial set; delete it and run again")
    if not torch.equal(tensors["index"], split.index.cpu()):
        raise AtopError(f"{path}: made from other test pictures; delete it and run again")
    return tensors["images"]  # type: ignore[no-any-return]


@torch.no_grad()
def predict(
    target: Target, images: Tensor, index: Tensor, *, seed: int, draws: int, batch: int
) -> list[list[int]]:
    """Predicted classes of each example, for each of `draws` draws of the target's randomness."""
    device = index.device
    predictions = []
    for draw in range(draws):
        parts = [
            target(x.to(device), Randomness(seed, "evaluate", where, draw)).argmax(1)
            for x, where in zip(torch.split(images, batch), torch.split(index, batch), strict=True)
        ]
        predictions.append(torch.cat(parts).tolist())
    return predictions


def evaluate(preset: str, cell: Cell, suite: str, target: str, *, device: torch.device) -> Path:
    """Classify a suite's adversarial sets with a cell; write its record."""
    watch = Stopwatch(device)
    chosen, row = config.preset(preset), config.suite(suite)
    split = test_pictures(preset, cell.dataset).to(device)
    clean = split.inputs(chosen["sizes"]["input"]).cpu()
    defense = assemble.defense(preset, cell).to(device)
    victim = cell.victim(target)
    budget = {"seed": chosen["seed"], "draws": row["draws"], "batch": chosen["evaluation"]["batch"]}
    evaluations = []
    with progress(f"evaluate {cell.id}", len(row["attacks"]), unit="attack") as bar:
        for attack in row["attacks"]:
            images, account = _handed(preset, victim, attack, split, clean)
            evaluations.append(
                {
                    "attack": attack,
                    "budget": config.attack(attack, preset),
                    "predictions": predict(defense, images, split.index, **budget),
                    "distance": _distance(images, clean),
                    "adversarial": account,
                }
            )
            bar.update()
    record = {
        "schema": 1,
        "preset": preset,
        "cell": cell.as_dict(),
        "suite": suite,
        "target": target,
        "victim": victim.id,
        "n": len(split),
        "draws": row["draws"],
        "indices": split.index.tolist(),
        "labels": split.labels.tolist(),
        "evaluations": evaluations,
        "networks": {
            "classifier": _network(cell.classifier, defense.classifier),
            "purifier": _network(cell.purifier, defense.purifier),
        },
        "sizes": chosen["sizes"],
        "seed": chosen["seed"],
        "transform": config.transform(cell.transform),
        "training": None if cell.undefended else _training(paths.purifier(preset, cell)),
    }
    record["findings"] = findings(record)
    record["provenance"] = watch.provenance(
        config_digest=config.digest(chosen, row, [one["budget"] for one in evaluations]),
        checkpoints=checkpoint_hashes(preset, cell),
        data_sha256=config.dataset(cell.dataset)["sha256"]["test"],
    )
    out = paths.record(preset, cell, suite, target)
    write_json(out, record)
    return out


def _handed(
    preset: str, victim: Cell, attack: str, split: Split, clean: Tensor
) -> tuple[Tensor, dict[str, Any] | None]:
    """The pictures that a cell is handed under an attack, and the account of how they were made."""
    if attack == "clean":
        return clean, None
    path = paths.adversarial(preset, victim, attack)
    images = load_adversarial(path, split)
    return images, {"sha256": sha256(path), **read_json(path.with_suffix(".json"))}


def checkpoint_hashes(preset: str, cell: Cell) -> dict[str, str]:
    """SHA-256 of the weights of a cell's networks."""
    f = paths.classifier(preset, cell.dataset, cell.classifier)
    files = {"classifier": f}
    if not cell.undefended:
        files["purifier"] = paths.purifier(preset, cell)
    return {name: sha256(path) for name, path in files.items()}


def _training(weights: Path) -> dict[str, Any]:
    """How a purifier came about, but for its metrics."""
    account = read_json(weights.with_suffix(".json"))
    return {key: account[key] for key in ("settings", "provenance")}


def _network(name: str, network: torch.nn.Module) -> dict[str, Any]:
    return {"name": name, "parameters": sum(p.numel() for p in network.parameters())}


def _distance(images: Tensor, clean: Tensor) -> dict[str, float]:
    """How far an adversarial set went: largest Linf, mean L2, share of unchanged pictures."""
    delta = (images - clean).flatten(1)
    return {
        "linf": float(delta.abs().max()),
        "l2": float(delta.norm(dim=1).mean()),
        "unmoved": float((delta == 0).all(dim=1).float().mean()),
    }
