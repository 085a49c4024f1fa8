"""AutoAttack against PGD of as many gradients, on random defences that the harness runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atop.core import stats
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.stages.attack import Attack
from atop.pipeline import assemble
from atop.pipeline.attacking import adversarial_sets
from atop.pipeline.attacking.adversarial_sets import make_adversarial
from atop.pipeline.datasets import fetch
from atop.pipeline.evaluation.evaluate import Evaluation

RT1 = Cell(dataset="cifar10_slice", classifier="resnet_small", transform="rt1")
RT2 = replace(RT1, transform="rt2")
CELLS = {"patches": RT1, "patches and noise": RT2, "noise": replace(RT2, ablation="no_mask")}
CPU = torch.device("cpu")
N, DRAWS = 64, 20
LOOKS = {"steps": 20, "eot": 5}
BALL = {"norm": "Linf", "eps": "4/255"}
PGD = {"method": "pgd", **BALL, "step_size": "1/255", "random_start": True, **LOOKS}
APGD = {"method": "autoattack", "attack": "apgd-ce", "version": "judged", **BALL, **LOOKS}
APGD |= {"steps": LOOKS["steps"] - 1, "after": "clean", "judge": 10}  # it looks at its start, too
ROWS = {"plain": PGD, "ce": APGD, "dlr": {**APGD, "attack": "apgd-dlr", "after": "ce"}}
Change = Callable[[str, dict[str, Any]], None]


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_autoattack_is_not_above_pgd_of_the_same_gradients(
    change: Change, workdir: Path, name: str
) -> None:
    """Beyond what the choice of images allows, neither APGD nor the chain of version `rand`."""
    change("presets/smoke", {"evaluation": {"n": N, "batch": N}, "sizes": {"purifier": 32}})
    change("transforms", {"rt2": {"sigma": 0.1}})
    change("attacks", {"attacks": ROWS})
    fetch("cifar10_slice")
    split, defense = (
        assemble.evaluation_set(presets.get("smoke"), "cifar10_slice"),
        assemble.defense(presets.get("smoke"), CELLS[name]),
    )
    judge = Evaluation(defense, split, seed=0, batch=N, device=CPU)
    right = {}
    for attack in ROWS:
        path = make_adversarial(
            Attack(preset=presets.get("smoke"), cell=CELLS[name], attack=attack), CPU
        )
        predicted = judge.predictions(adversarial_sets.load_adversarial(path, split), DRAWS)
        right[attack] = np.asarray(predicted) == split.labels.numpy()
    for attack in ("ce", "dlr"):
        gap = stats.paired(right[attack], right["plain"])
        assert gap.low <= 0, attack
