"""Models of RobustBench: built without a GPU and without words, loaded without a download."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atop.core.errors import AtopError
from atop.core.files import ROOT
from atop.method.classifiers import robustbench as family
from atop.method.registry import build
from atop.method.robustbench_library import robustbench

State = dict[str, Tensor]
CIFAR10 = {"classes": 10, "dataset": "cifar10", "threat": "Linf"}
LOOSE = "Augustin2020Adversarial_34_10"
"""A model that the package itself loads in part where a file lacks its normalisation."""


class Tiny(nn.Module):
    """A network with a normalisation that its files may leave out, after some noise."""

    def __init__(self) -> None:
        super().__init__()
        sys.stdout.write("so many parameters")
        self.head = nn.Linear(3, 10)
        self.register_buffer("mu", torch.tensor([0.5]).cuda())
        self.models = nn.ModuleList([nn.Linear(3, 4), nn.Linear(3, 4)])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.mean(dim=(2, 3)) - self.mu)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def zoo() -> dict[str, Any]:
    """The package's entries for CIFAR-10 and Linf."""
    package = robustbench()
    enums = package.model_zoo.enums
    of_dataset = package.model_zoo.model_dicts[enums.BenchmarkDataset("cifar10")]
    return of_dataset[enums.ThreatModel("Linf")]  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def tiny(zoo: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models under three names, and no way out."""
    for name in ("Tiny", LOOSE):
        monkeypatch.setitem(zoo, name, {"model": Tiny, "gdrive_id": "nowhere"})
    monkeypatch.setitem(zoo, "Pair", {"model": Tiny, "gdrive_id": ["here", "there"]})

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a look into the network")

    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)


Put = Callable[..., list[Path]]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes files of a model where the package looks for them."""

    def write(name: str, *contents: Any) -> list[Path]:
        folder = tmp_path / "models" / "cifar10" / "Linf"
        folder.mkdir(parents=True, exist_ok=True)
        several = [f"{name}.pt_m{i}.pt" for i in range(len(contents))]
        names = [f"{name}.pt"] if len(contents) == 1 else several
        for one, content in zip(names, contents, strict=True):
            torch.save(content, folder / one)
        return [folder / one for one in names]

    return write


def made(name: str) -> family.Published:
    return family.build(model=name, **CIFAR10)  # type: ignore[arg-type]


def state_of(name: str) -> State:
    torch.manual_seed(1)
    return made(name).network.state_dict()


def test_building_says_nothing_and_asks_for_no_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    network = made("Tiny")
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert not network.network.training
    assert capsys.readouterr().out == ""
    assert torch.Tensor.cuda.__name__ == "cuda"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model": "Gowal2020Uncovering_70_16_extras"},
            "no 'Gowal.*Gowal2020Uncovering_70_16_extra",
        ),
        ({"model": "zzz"}, "no 'zzz' for cifar10 and Linf; nearest: none"),
        ({"model": "Standard", "classes": 100}, "the model has 10 classes, the dataset 100"),
        ({"model": "Standard_R50", "dataset": "imagenet"}, "dataset is cifar10 or cifar100"),
        ({"model": "Standard", "threat": "L1"}, "threat Linf, L2 or"),
        ({"model": "Debenedetti2022Light_XCiT-S12"}, "no file of its own"),
    ],
)
def test_what_the_package_does_not_have_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AtopError, match=f"classifiers/robustbench: options .*{message}"):
        build("classifiers", "robustbench", **{**CIFAR10, **options})


def test_a_published_file_is_loaded_and_says_what_the_published_network_says(put: Put) -> None:
    from robustbench.model_zoo.cifar10 import Ding2020MMANet

    torch.manual_seed(0)
    theirs = Ding2020MMANet().eval()
    [path] = put("Ding2020MMA", {"state_dict": theirs.state_dict()})
    moved = path.parents[1] / "L2" / path.name
    moved.parent.mkdir()
    path.rename(moved)
    network = family.build(classes=10, model="Ding2020MMA", dataset="cifar10", threat="L2")
    family.load_public(network, [moved])
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(x), theirs(x))


def test_loading_goes_into_the_network_and_leaves_the_package_as_it_was(
    put: Put, zoo: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    state = state_of("Tiny")
    paths = put("Tiny", {f"module.{name}": value for name, value in state.items()})
    network, before, utils = made("Tiny"), dict(zoo), robustbench().utils
    given, load = network.network, utils._safe_load_state_dict
    family.load_public(network, paths)
    assert network.network is given
    for name, value in given.state_dict().items():
        assert torch.equal(value, state[name])
    assert dict(zoo) == before
    assert utils.torch is torch
    assert utils._safe_load_state_dict is load
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["Tiny", LOOSE])
def test_a_normalisation_may_be_missing_and_nothing_else(name: str, put: Put) -> None:
    state = state_of(name)
    del state["mu"]
    network = made(name)
    family.load_public(network, put(name, state))
    assert torch.equal(network.network.state_dict()["head.weight"], state["head.weight"])
    assert network.network.state_dict()["mu"] == 0.5
    lacking = {key: value for key, value in state.items() if key != "head.bias"}
    for content, key in ((lacking, "head.bias"), ({**state, "more": torch.zeros(1)}, "more")):
        [path] = put(name, content)
        with pytest.raises(AtopError, match=f"^{path}: weights of another network: .*{key}"):
            family.load_public(network, [path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "weights of another network: "),
        (
            {"head.weight": torch.zeros(4, 4)},
            r"weights of another network: head.weight is \(4, 4\)",
        ),
        ("<html>", "not a complete checkpoint|weights of another network"),
    ],
)
def test_anything_else_is_refused_in_a_line(content: Any, message: str, put: Put) -> None:
    [path] = put("Tiny", content)
    with pytest.raises(AtopError, match=f"^{path}: ({message})") as caught:
        family.load_public(made("Tiny"), [path])
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(put: Put) -> None:
    [path] = put("Tiny", state_of("Tiny"))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(AtopError, match=f"^{path}: not a complete checkpoint"):
        family.load_public(made("Tiny"), [path])


def test_all_files_of_an_ensemble_are_loaded_in_order(put: Put) -> None:
    torch.manual_seed(2)
    parts = [nn.Linear(3, 4).state_dict() for _ in range(2)]
    paths = put("Pair", *parts)
    network = made("Pair")
    family.load_public(network, paths)
    for found, part in zip(network.network.models, parts, strict=True):  # type: ignore[arg-type, union-attr]
        assert torch.equal(found.weight, part["weight"])
    for wrong in (paths[::-1], paths[:1], [], [paths[0], paths[1].parent / "Pair.pt"]):
        with pytest.raises(
            AtopError, match=r"RobustBench's 'Pair' is \.\.\./cifar10/Linf/Pair\.pt"
        ):
            family.load_public(network, wrong)


def test_a_file_that_is_not_there_is_never_downloaded(put: Put, tmp_path: Path) -> None:
    paths = put("Pair", {}, {})
    paths[1].unlink()
    with pytest.raises(AtopError, match=f"^{paths[1]}: no such checkpoint"):
        family.load_public(made("Pair"), paths)
    [path] = put("Tiny", state_of("Tiny"))
    for wrong in (path.rename(path.with_name("tiny.pt")), tmp_path / "L2" / "Tiny.pt"):
        with pytest.raises(AtopError, match=f"^{wrong}: .* correct the files' names"):
            family.load_public(made("Tiny"), [wrong])


@pytest.mark.slow
def test_the_package_warns_of_nothing_before_what_is_wrong() -> None:
    verb = [sys.executable, "-m", "atop", "checkpoint", "--file", "robustbench/cifar10/Linf/A.pt"]
    said = subprocess.run(verb, capture_output=True, text=True, cwd=ROOT, check=False)
    assert said.returncode == 2
    (line,) = said.stderr.splitlines()
    assert line.startswith("atop checkpoint: error: robustbench/cifar10/Linf/A.pt: robustbench ")


def test_the_copy_that_torchattacks_installs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(robustbench().utils, "DATASET_CLASSES")
    with pytest.raises(AtopError, match="pip install --no-deps --force-reinstall robustbench"):
        made("Tiny")
