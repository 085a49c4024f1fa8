"""Devices: by name, or the first GPU that no other job of this suite uses."""

import getpass
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from atop.core.errors import AtopError
from atop.experiment.presets import Preset

LOCKS = Path(tempfile.gettempdir()) / f"atop-{getpass.getuser()}" / "devices"
"""A lock for each GPU of this machine, for all checkouts of a user."""

WAIT = 1.0
"""Seconds between two looks for a free device."""

_held: list[FileLock] = []  # until the process ends, however it ends


def named(name: str | torch.device | None) -> torch.device:
    """The device of a name such as "cpu", "cuda:1" or "mps"; of None, a free GPU or the CPU.

    Torch's MPS (Apple) has not been tested with this suite.

    Raises:
        AtopError: torch does not know it, or this machine does not have it.
    """
    if name is None:
        return free() if torch.cuda.is_available() else torch.device("cpu")
    if name == "cuda":
        return free()
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        raise AtopError(f"device {name}: {str(error).splitlines()[0]}") from error
    return device


def of_preset(preset: Preset, *, name: str | None = None, allow_cpu: bool = False) -> torch.device:
    """The device of a preset, or the one that the user names.

    Raises:
        AtopError: the preset needs a GPU, there is none, and the user did not allow the CPU.
    """
    if name:
        return named(name)
    if preset.settings.device == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return free()
    if allow_cpu:
        return torch.device("cpu")
    raise AtopError(
        f"preset '{preset}' needs a GPU and torch sees none; smaller presets are 'native' "
        "(tables/native/..., 32 pixels) and 'smoke' (tables/smoke/..., minutes on a CPU); "
        "to run this one on the CPU all the same, add --config allow_cpu=true, or --allow-cpu to a "
        "command of python -m atop"
    )


def free() -> torch.device:
    """The first GPU that no other job has, of those that CUDA_VISIBLE_DEVICES leaves.

    Jobs in several processes, as with `snakemake --resources gpu=4`, so get one each.
    """
    count = torch.cuda.device_count()
    names = [str(torch.cuda.get_device_properties(k).uuid) for k in range(count)]
    device = torch.device("cuda", first_free(names))
    torch.cuda.set_device(device)
    return device


def first_free(names: Sequence[str], folder: Path = LOCKS) -> int:
    """Take the lock of the first name that no process holds; wait if all are held.

    Returns:
        Its place. The lock is held until this process ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for place, name in enumerate(names):
            lock = FileLock(folder / f"{name}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            _held.append(lock)
            return place
        time.sleep(WAIT)
