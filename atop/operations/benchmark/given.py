"""Defences that a program gave: their rows, files that stand for them, and what is done already."""

import hashlib
from pathlib import Path

import torch
from torch import nn

from atop.core.errors import AtopError
from atop.core.files import read_json, write_json
from atop.experiment.settings.inputs import ClassifierSpec
from atop.experiment.stages.stage import Stage
from atop.method.classifiers import external
from atop.operations.benchmark.protocols import FOLDER
from atop.pipeline.attacking.adversarial_sets import checkpoint_hashes


def row(name: str, module: nn.Module, *, inside: str | None = None) -> ClassifierSpec:
    """A row for a module, with a file that holds its digest in place of one that makes it."""
    file = FOLDER / "modules" / f"{name}.json"
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    content = {"module": kind, "architecture": _sha256(repr(module)), "state": _digest(module)}
    if not file.exists() or read_json(file) != content:
        write_json(file, content)
    external.GIVEN[str(file)] = module
    spec = ClassifierSpec(
        about=f"{kind}, given by a program",
        family="external",
        training="never",
        options={"file": str(file)},
    )
    return spec.model_copy(update={"inside": inside}) if inside else spec


def current(stage: Stage) -> bool:
    """Whether a stage ran already, under the same settings and with the same networks."""
    if not (stage.file.exists() and stage.metadata.exists()):
        return False
    try:
        metadata = read_json(stage.metadata)
        hashes = metadata["provenance"]["checkpoints"]
    except (AtopError, KeyError):
        return False
    newer = all(_newer(stage.file, path) for path in stage.inputs)
    same = hashes == checkpoint_hashes(stage.preset, stage.cell)
    return newer and same and metadata.get("fingerprint") == stage.fingerprint


def _newer(file: Path, source: Path) -> bool:
    return not source.exists() or file.stat().st_mtime >= source.stat().st_mtime


def _digest(module: nn.Module) -> str:
    """SHA-256 of all parameters and buffers, by name."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(f"{name}\0{tuple(getattr(value, 'shape', ()))}\0".encode())
        if isinstance(value, torch.Tensor):
            flat = value.detach().cpu().contiguous().view(-1)
            digest.update(flat.view(torch.uint8).numpy().tobytes())
        else:  # what get_extra_state returns
            digest.update(repr(value).encode())
    return digest.hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
