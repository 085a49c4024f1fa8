"""Rates: measured by the code that jobs run, kept for the next time, and never guessed."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.experiment import presets
from atop.experiment.cells import Cell
from atop.experiment.stages.finetuning import Pretrain, finetuning
from atop.experiment.stages.training import TrainClassifier
from atop.experiment.workload import Operation, Query, TrainingStep
from atop.operations.cost import calibration, machines, ready
from atop.operations.cost.calibration import measure
from atop.operations.cost.machines import Machine
from atop.operations.cost.rates import Rate, Rates
from atop.pipeline import assemble

CPU = torch.device("cpu")
CELL = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip
TUNED = replace(CELL, purifier="identity", init="none", finetune="classifier")
MACHINE = Machine(device="NVIDIA Made-Up 9 (80GB)", cuda=True, threads=4)
RATE = Rate(ms=2.5, peak_mb=300, weights_mb=0.5)
Change = Callable[[str, dict[str, Any]], None]


def query(**changes: Any) -> Query:
    """Logits of the bare classifier, changed."""
    plain: dict[str, Any] = {
        "preset": presets.get("smoke"), "cell": CELL.bare, "pixels": 32, "batch": 4, "draws": 1,
        "gradient": False, "mode": "evaluate",
    }  # fmt: skip
    return Query(**{**plain, **changes})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, workdir: Path) -> None:
    """One run of each operation is enough, and a start needs none."""
    monkeypatch.setattr(calibration, "ENOUGH_S", 1e-9)
    monkeypatch.setattr(calibration, "_start", lambda device: 3.5)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Batches and draws of the queries that are made ready."""
    made: list[tuple[int, int]] = []
    build = ready.query

    def noted(one: Query, device: torch.device, *, batch: int, draws: int) -> ready.Ready:
        made.append((batch, draws))
        return build(one, device, batch=batch, draws=draws)

    monkeypatch.setattr(ready, "query", noted)
    return made


def trainings() -> list[TrainingStep]:
    """One of each kind."""
    smoke = presets.get("smoke")
    cells = [CELL, replace(CELL, finetune="clean"), CELL.base, TUNED]
    robust = Cell(dataset="cifar10_slice", classifier="resnet_small_at")
    stages = [
        *(finetuning(smoke, cell) for cell in cells),
        Pretrain.of(smoke, "cifar10_slice", "deepfill"),
        TrainClassifier(preset=smoke, cell=robust),
    ]
    steps = (next(iter(stage.workload().images)) for stage in stages)
    return [step for step in steps if isinstance(step, TrainingStep)]


@pytest.mark.parametrize("kind", range(6), ids=map(str, trainings()))
def test_every_training_is_measured(quick: None, change: Change, kind: int) -> None:
    small = {"batch": 2, "overrides": ...}
    change("presets/smoke", {"stages": dict.fromkeys(("l_org", "atop", "robust", "tune"), small)})
    change("presets/smoke", {"stages": {"pretrain": small}})
    one = trainings()[kind]
    rate = measure(one, CPU)
    assert one.batch == 2
    assert rate.ms > 0
    assert rate.peak_mb > 100  # Python and torch alone
    assert not rate.small_batch
    classifier = one.cell.classifier
    if not one.cell.purifies:
        network = assemble.classifier("cifar10_slice", classifier)
    else:
        network = assemble.purifier(presets.get("smoke"), "deepfill")
    path = Path("weights.safetensors")
    checkpoints.save(path, network, {})
    assert rate.weights_mb == pytest.approx(path.stat().st_size / 2**20, rel=0.05)


@pytest.mark.parametrize("through", ["exact", "bpda", "fixed"])
@pytest.mark.parametrize("gradient", [True, False])
def test_queries_are_measured(quick: None, gradient: bool, through: str) -> None:
    one = query(cell=CELL, gradient=gradient, through=through, mode="attack", draws=3)
    made = ready.query(one, CPU, batch=4, draws=3)
    assert made.images == 12
    assert measure(one, CPU).ms > 0


def test_an_operation_runs_as_its_preset_says(quick: None, change: Change) -> None:
    change("presets/smoke", {"compute": {"attack": {"precision": "bfloat16"}}})
    seen: set[tuple[torch.dtype, str]] = set()

    def note(module: Any, inputs: Any, output: torch.Tensor) -> None:
        seen.add((output.dtype, torch.backends.cuda.matmul.fp32_precision))

    handle = torch.nn.modules.module.register_module_forward_hook(note)
    try:
        ready.query(query(mode="attack"), CPU, batch=2, draws=1).run()
        assert (torch.bfloat16, "tf32") in seen
        seen.clear()
        for mode in ("evaluate", "judge"):
            ready.query(query(mode=mode), CPU, batch=2, draws=1).run()
        assert seen == {(torch.float32, "ieee")}
    finally:
        handle.remove()


def test_a_rate_is_of_one_image_and_one_draw(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "seconds_of", lambda run, device: 0.6)
    assert measure(query(draws=3), CPU).ms == pytest.approx(600 / (4 * 3))
    training = trainings()[4]  # two transforms take turns
    assert measure(training, CPU).ms == pytest.approx(600 / (training.batch * 2))


def test_a_batch_that_does_not_fit_is_halved(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def small(one: Query, device: torch.device, *, batch: int, draws: int) -> ready.Ready:
        tried.append(batch)
        if batch > 2:
            raise torch.OutOfMemoryError
        return ready.Ready(lambda: None, batch * draws)

    monkeypatch.setattr(ready, "query", small)
    measure(query(batch=8), CPU)
    assert tried == [8, 4, 2]


@pytest.mark.parametrize(("preset", "runs"), [("native", 1), ("smoke", 2)])
def test_a_long_run_on_few_images_needs_no_other(
    quick: None, monkeypatch: pytest.MonkeyPatch, preset: str, runs: int
) -> None:
    done: list[int] = []
    made = ready.Ready(lambda: done.append(1), 2)
    monkeypatch.setattr(ready, "query", lambda *_, **__: made)
    monkeypatch.setattr(calibration, "LONG_S", 0.0)
    measure(query(preset=presets.get(preset)), CPU)
    assert len(done) == runs


def test_what_never_fits_is_said(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(one: Any, device: torch.device, **more: int) -> ready.Ready:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(ready, "query", fails)
    monkeypatch.setattr(ready, "training", fails)
    bare, training, rates = query(), trainings()[0], Rates(MACHINE)
    failed = calibration.calibrate(rates, [bare, training], CPU)
    assert failed == dict.fromkeys(map(str, (bare, training)), "does not fit into memory")
    assert rates.of(bare) is None


def test_a_network_that_cannot_be_built_is_said(quick: None, change: Change) -> None:
    change("presets/smoke", {"purifiers": {"deepfill": {"options": {"depth": 3}}}})
    one = query(cell=CELL)
    failed = calibration.calibrate(Rates(MACHINE), [one, query()], CPU)
    assert list(failed) == [str(one)]
    assert "presets/smoke.yaml" in failed[str(one)]


def test_a_cpu_does_what_is_meant_for_a_gpu_with_few_images(
    quick: None, seen: list[tuple[int, int]]
) -> None:
    cell = Cell(dataset="cifar10", classifier="resnet18_32")
    rate = measure(query(preset=presets.get("native"), cell=cell, batch=64, draws=20), CPU)
    assert rate.small_batch
    assert seen == [(2, 1)]
    measure(query(draws=3), CPU)
    assert seen[1:] == [(4, 3)]


def test_the_second_time_nothing_is_measured(
    quick: None, seen: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, bare = machines.cpu(1), query()
    assert calibration.calibrate(Rates(machine), [bare], CPU) == {}
    before = machine.file.read_text()
    other_name = query(cell=replace(CELL.bare, seed=5))
    assert Rates(machine).unknown([bare, other_name]) == []
    calibration.calibrate(Rates(machine), [bare, other_name], CPU)
    assert len(seen) == 1
    assert machine.file.read_text() == before
    more = query(batch=2)
    assert Rates(machine).unknown([bare, more, more]) == [more]
    assert Rates(replace(machine, threads=2)).unknown([bare]) == [bare]  # another speed


def test_rates_are_kept_and_name_no_machine(workdir: Path) -> None:
    rates = Rates(MACHINE)
    rates.add(query(), RATE)
    rates.add_start(4.321)
    assert MACHINE.file == Path("results/benchmarks/calibration-nvidia-made-up-9-80gb.json")
    again = Rates(machines.named("nvidia-made-up-9-80gb", threads=9))
    assert again.of(query()) == RATE
    assert again.start == 4.32
    text = MACHINE.file.read_text()
    assert len(text.splitlines()) == 8  # a line a row
    assert socket.gethostname() not in text
    assert "/" not in text
    assert read_json(MACHINE.file)["rows"]["start"].keys() == {"about", "seconds", "torch", "date"}


def test_a_device_without_rates_is_answered_with_the_known_ones(workdir: Path) -> None:
    Rates(MACHINE).add(query(), RATE)
    with pytest.raises(AtopError, match="no rates of device 'mine'; known are nvidia-made-up-9"):
        machines.named("mine", 1)
    MACHINE.file.write_text("[]")
    with pytest.raises(AtopError, match=r"80gb\.json: not the rates of a device; delete it"):
        Rates(MACHINE)


def test_a_processor_is_named_and_has_no_more_threads_than_cores() -> None:
    found = machines.cpu(10_000)
    assert found.threads == os.cpu_count()
    assert found.device.strip()
    assert not found.cuda
    assert machines.of(CPU, 1) == machines.cpu(1)


def test_where_a_job_ran() -> None:
    assert MACHINE.ran({"device": MACHINE.device, "threads": 16})
    of_cpu = {"device": "cpu", "threads": 2}
    ours = Machine(device="A processor", cuda=False, threads=2)
    assert ours.ran(of_cpu | {"processor": "A processor"})
    assert not ours.ran(of_cpu | {"processor": "Another"})
    assert not MACHINE.ran({"device": "NVIDIA Other", "threads": 4})
    cpu = machines.cpu(1)
    assert cpu.ran({"device": "cpu", "threads": 1})
    assert not cpu.ran({"device": "cpu", "threads": 2})
    assert not cpu.ran({"device": MACHINE.device, "threads": 1})


def test_the_start_of_a_job_is_that_of_python_and_torch() -> None:
    assert 0.3 < calibration._start(CPU) < 300


def test_a_peak_is_of_its_own_operation(quick: None) -> None:
    small = query(batch=1)
    large = query(cell=CELL, gradient=True, mode="attack", batch=64)
    before, most, after = (measure(one, CPU).peak_mb for one in (small, large, small))
    assert most > before + 200
    assert after < before + 100


def test_operations_of_any_kind_are_unknown(workdir: Path) -> None:
    both: list[Operation] = [query(), trainings()[0]]
    assert Rates(MACHINE).unknown(both) == both
