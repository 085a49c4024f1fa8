"""What lies beside the weights in public files, and what must not: numpy's, and options."""

import io
import zipfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from atop.core import checkpoints
from atop.core.errors import AtopError


@pytest.mark.parametrize("module", [b"numpy._core.multiarray", b"numpy.core.multiarray"])
@pytest.mark.parametrize("zipped", [True, False])
def test_numbers_of_numpy_beside_the_weights_are_read(
    tmp_path: Path, module: bytes, zipped: bool
) -> None:
    """Public files of several ages have them, under the name of numpy's module of the time."""
    numbers = {kind: np.dtype(kind).type(1) for kind in "?bhilqBHILQefd"}
    buffer = io.BytesIO()
    written = {"weight": torch.ones(2), **numbers}
    torch.save(written, buffer, _use_new_zipfile_serialization=zipped)
    path = tmp_path / "old.pt"
    path.write_bytes(_renamed(buffer.getvalue(), module, zipped=zipped))
    found = checkpoints.read(path)
    assert {name: found[name] for name in numbers} == numbers


def _renamed(content: bytes, module: bytes, *, zipped: bool) -> bytes:
    """The same file as a numpy whose module has another name would have written it."""
    if not zipped:
        return content.replace(b"numpy._core.multiarray", module)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"numpy._core.multiarray", module))
    return buffer.getvalue()


def test_objects_of_numpy_are_not(tmp_path: Path) -> None:
    path = tmp_path / "objects.pt"
    torch.save({"x": np.array([Path("x")], dtype=object)}, path)
    with pytest.raises(AtopError, match=r"refused, since it holds a numpy\.\S+, and unpickling"):
        checkpoints.read(path)


def test_options_of_a_training_loop_beside_the_weights_are_read(tmp_path: Path) -> None:
    path = tmp_path / "options.pth"
    options = Namespace(model="base", sigma=0.25, pin_mem=True, resume="", betas=[0.9, 0.95])
    torch.save({"model": {"weight": torch.ones(2)}, "args": options}, path)
    assert checkpoints.read(path)["args"] == options


def test_options_that_are_objects_are_not(tmp_path: Path) -> None:
    path = tmp_path / "options.pth"
    torch.save({"args": Namespace(output=Path("x"))}, path)
    with pytest.raises(AtopError, match=r"refused, since it holds a pathlib\.\S+, and unpickling"):
        checkpoints.read(path)


@pytest.mark.parametrize("content", [[torch.ones(1)], torch.ones(1)])
def test_what_has_no_names_is_not_weights(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "list.pth")
    with pytest.raises(
        AtopError,
        match=r"list\.pth: weights of another network: it holds no state dict, but a (list|Tensor)",
    ):
        checkpoints.read(tmp_path / "list.pth")
