"""What the smoke preset needs is taken from the preset `embedded`, whatever that has."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atop.core.files import sha256
from atop.experiment import paths, presets
from atop.operations import embed_resources
from atop.pipeline.datasets import fetch

Change = Callable[[str, dict[str, Any]], None]


def test_all_purifiers_of_the_preset_are_installed(
    change: Change, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change("presets/embedded", {"purifiers": {"identity": {}}})
    names = ["deepfill", "dmae", "identity"]
    assert sorted(presets.get("embedded").settings.purifiers) == names
    fetch("cifar10_slice")
    data = paths.dataset("cifar10_slice").parent
    shutil.copytree(data, data.with_name("cifar10"))
    made = {"resnet_small": Path("results/embedded/classifiers/cifar10-resnet_small.safetensors")}
    made |= {one: Path(f"results/embedded/pretrained/cifar10-{one}.safetensors") for one in names}
    for name, path in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"weights of {name}")
        path.with_suffix(".json").write_text(f"account of {name}")
    folder = workdir / "resources"
    folder.mkdir()
    monkeypatch.setattr(embed_resources, "FOLDER", folder)
    monkeypatch.setattr(embed_resources, "cut", lambda whole, *, seed: (folder / "slice").touch())

    found = embed_resources.install()
    assert {path.name for path in found} == {
        "slice", *(f"{name}{ending}" for name in made for ending in (".safetensors", ".json"))
    }  # fmt: skip
    for name in made:
        assert (folder / f"{name}.safetensors").read_text() == f"weights of {name}"
        assert (folder / f"{name}.json").read_text() == f"account of {name}"
    assert found[folder / "dmae.json"] == sha256(folder / "dmae.json")
