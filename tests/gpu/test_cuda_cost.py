"""Calibration on a CUDA device: each operation has its own rate and peak; `pytest -m gpu`."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.stages.finetuning import Finetune
from atop.experiment.workload import Query
from atop.operations.cost import calibration, machines
from atop.operations.cost.rates import Rates

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
CUDA = torch.device("cuda")
NATIVE = presets.get("native")
CELL = Cell(
    dataset="cifar10", classifier="resnet18_32", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
QUERY = Query(preset=NATIVE, cell=CELL, pixels=32, batch=64, draws=4, gradient=True, mode="attack")


def test_operations_are_measured_whole_and_kept(workdir: Path) -> None:
    machine = machines.of(CUDA, 1)
    assert machine.device == torch.cuda.get_device_name()
    few, more = replace(QUERY, batch=1, draws=1), QUERY
    training = next(iter(Finetune(preset=NATIVE, cell=CELL).workload().images))
    assert calibration.calibrate(Rates(machine), [more, few, training], CUDA) == {}
    found = [Rates(machine).of(one) for one in (more, few, training)]
    rates = [one for one in found if one]
    assert len(rates) == 3
    assert all(one.ms > 0 and not one.small_batch for one in rates)
    assert rates[0].peak_mb > 3 * rates[1].peak_mb  # forgotten in between
    assert rates[0].ms < rates[1].ms  # for each image
    assert rates[2].weights_mb > 1
