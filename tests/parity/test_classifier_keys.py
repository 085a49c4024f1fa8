"""State dicts of our classifiers against the published ones (see make_key_fixtures.py)."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from keys import Shapes, read, shapes, without_numbers, written
from torch import Tensor, nn

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.experiment import config
from atop.method.registry import build, module_of

ROWS = config.classifiers()
FIXTURES = json.loads((Path(__file__).parent / "fixtures" / "keys.json").read_text())
PUBLISHED: dict[str, str] = {
    "resnet18": "atop-18",
    "resnet18_at": "atop-18",
    "resnet34": "atop-34",
    "resnet50_256": "atop-50",
    "resnet18_32": "kuangliu-18",
    "resnet34_32": "kuangliu-34",
    "resnet50": "diffpure-50",
    "wrn28_10": "standard",
    "wrn70_16": "diffpure-70-16",
    **{name: name for name, row in ROWS.items() if row.family == "robustbench"},
    **{name: "attacker-50" for name in ROWS if name.endswith("_resnet50")},
}


def made(name: str) -> nn.Module:
    """A row's network, without memory."""
    row = ROWS[name]
    hundred = name == "resnet50_256" or "cifar100" in row.weights
    with without_numbers():
        return build(  # type: ignore[no-any-return]
            "classifiers", row.family, classes=100 if hundred else 10, **row.options
        )


def published(name: str) -> list[str] | str:
    """The list of a row's published network."""
    return FIXTURES["lists"][FIXTURES["networks"][PUBLISHED[name]]]  # type: ignore[no-any-return]


def test_every_row_with_a_public_file_has_a_published_list() -> None:
    assert {name for name, row in ROWS.items() if row.weights} <= set(PUBLISHED)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "wrn70_16"])
def test_names_and_shapes_are_the_published_ones(name: str) -> None:
    network = made(name)
    found = shapes(getattr(network, "network", network).state_dict())
    lines = published(name)
    if PUBLISHED[name] == "attacker-50":
        whole = read(lines)
        expected = {key: shape for key, shape in whole.items() if key.startswith("model.")}
        assert {f"model.{key}": shape for key, shape in found.items()} == expected
        return
    assert written(found) == lines


def layouts(name: str) -> list[Any]:
    """The content of a row's public files, without memory."""
    network = made(name)
    lines = published(name)
    whole: Shapes = (
        read(lines) if isinstance(lines, list) else shapes(network.network.state_dict())  # type: ignore[union-attr, arg-type]
    )
    state = {key: torch.empty(shape, device="meta") for key, shape in whole.items()}
    if name == "bai2023_wrn70_extra":
        first, second, policy, norm = (
            _under(state, f"comp_model.{part}.")
            for part in ("models.0", "models.1", "policy_net", "bn")
        )
        return [{"state_dict": first}, second, {"model": policy, "bn": norm}]
    return [
        {
            "wrn70_16": lambda: {"model_state_dict": _after(state, "module.0.")},
            "wrn28_10": lambda: {"state_dict": _after(state, "module.")},
            "resnet50": lambda: _after(state, "module."),
            "at_linf_resnet50": lambda: {"model": _after(state, "module."), "epoch": 3},
            "at_l2_resnet50": lambda: {"model": _under(state, "model."), "arch": "resnet50"},
            "zhang2020_wrn28": lambda: {"state_dict": _after(state, "module.")},
        }.get(name, lambda: state)()
    ]


def _after(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
    }


def files(name: str, folder: Path) -> list[Path]:
    """Empty files that are named as the package expects them."""
    options = ROWS[name].options
    if ROWS[name].family != "robustbench":
        found = [folder / "weights.pt"]
    else:
        folder = folder / options["dataset"] / options["threat"]
        whole = f"{options['model']}.pt"
        count = len(next(iter(ROWS[name].weights.values())))
        names = [whole] if count == 1 else [f"{whole}_m{i}.pt" for i in range(count)]
        found = [folder / one for one in names]
    folder.mkdir(parents=True, exist_ok=True)
    for path in found:
        path.touch()
    return found


@pytest.mark.parametrize("name", [name for name in PUBLISHED if ROWS[name].weights])
def test_the_public_layout_loads_whole_and_not_in_part(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if PUBLISHED[name] == "attacker-50":  # numbers of the normalisation are compared too
        monkeypatch.setattr(torch, "allclose", lambda *_: True)
    paths, contents = files(name, tmp_path), layouts(name)
    content = dict(zip(paths, contents, strict=True))
    monkeypatch.setattr(checkpoints, "read", lambda path: content[path])
    load = module_of("classifiers", ROWS[name].family).load_public
    load(made(name), paths)
    state = contents[-1]
    while nested := next((value for value in state.values() if isinstance(value, dict)), None):
        state = nested
    del state[
        next(key for key in reversed(state) if key.endswith("weight") and "attacker" not in key)
    ]
    with pytest.raises(AtopError, match=rf"^{paths[-1]}: weights of another network: .*issing"):
        load(made(name), paths)
