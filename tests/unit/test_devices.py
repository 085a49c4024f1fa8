"""Devices: by name, by preset, and one GPU for each job, of which only the lock is tested."""

import multiprocessing
import signal
from multiprocessing import Queue
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from atop.core.errors import AtopError
from atop.experiment import presets
from atop.pipeline import devices

NAMES = ("gpu-a", "gpu-b", "gpu-c")


def hold(folder: Path, place: "Queue[int]") -> None:
    """Take a device, and keep it until this process is killed."""
    place.put(devices.first_free(NAMES, folder))
    signal.pause()


def test_jobs_hold_one_device_each_until_they_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = multiprocessing.get_context("fork")
    place: Queue[int] = context.Queue()
    jobs = [context.Process(target=hold, args=(tmp_path, place)) for _ in NAMES]
    for job in jobs:
        job.start()
    assert sorted(place.get(timeout=30) for _ in jobs) == [0, 1, 2]

    def end(job: BaseProcess) -> None:
        job.kill()
        job.join()

    looks: list[float] = []

    def wait(seconds: float) -> None:
        looks.append(seconds)
        end(jobs[1])

    monkeypatch.setattr(devices.time, "sleep", wait)  # all are held, so this one waits
    monkeypatch.setattr(devices, "_held", [])
    assert devices.first_free(NAMES, tmp_path) in {0, 1, 2}
    assert looks == [devices.WAIT]
    for lock in devices._held:
        lock.release()
    for job in jobs:
        end(job)


def test_a_device_that_another_process_sees_under_another_number_is_not_taken_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_held", [])
    assert devices.first_free(["gpu-b", "gpu-c"], tmp_path) == 0
    assert devices.first_free(["gpu-a", "gpu-b"], tmp_path) == 0
    assert devices.first_free(["gpu-b", "gpu-c"], tmp_path) == 1
    for lock in devices._held:
        lock.release()


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "xpu:7"])
def test_a_device_that_is_not_here_is_refused(name: str) -> None:
    with pytest.raises(AtopError, match=f"device {name}"):
        devices.named(name)


def test_a_name_decides_before_the_preset() -> None:
    paper = presets.get("paper")
    assert devices.of_preset(paper, name="cpu") == torch.device("cpu")
    assert devices.of_preset(presets.get("smoke")) == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_cpu_is_taken_where_it_may_be() -> None:
    assert devices.named(None) == torch.device("cpu")
    assert devices.of_preset(presets.get("paper"), allow_cpu=True) == torch.device("cpu")
    with pytest.raises(AtopError, match="preset 'paper' needs a GPU"):
        devices.of_preset(presets.get("paper"))
