"""ResNets and wide ResNets: what they hold, and whose files they take."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atop.core.errors import AtopError
from atop.experiment import config
from atop.method.classifiers import resnet, wideresnet
from atop.method.registry import build
from atop.pipeline import assemble

MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """Weights of a ResNet-18 in no wrapping."""
    torch.manual_seed(0)
    return resnet.build(classes=10, depth=18, stem="small").state_dict()


def after(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def attacker(state: State) -> State:
    """As MadryLab/robustness' AttackerModel holds a network."""
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (MEAN, STD))
    normalised = {"normalizer.new_mean": mean, "normalizer.new_std": std}
    again = {"attacker.normalize.new_mean": mean, "attacker.normalize.new_std": std}
    return normalised | after("model.", state) | again | after("attacker.model.", state)


LAYOUTS: dict[str, Any] = {
    "bare, as pyautoattack": lambda state: state,
    "kuangliu": lambda state: {"net": after("module.", state), "acc": 95.1, "epoch": 199},
    "DiffPure": lambda state: after("module.", state),
    "perceptual-advex": lambda state: {"model": state, "optimizer": {"lr": 1}, "arch": "resnet50"},
    "robustness": lambda state: {"model": after("module.", attacker(state)), "epoch": 3},
    "robustness of old": lambda state: {"state_dict": after("module.", attacker(state))},
    "a feature model": lambda state: {
        "model": {name: x for name, x in attacker(state).items() if not name.startswith("attack")}
    },
}


def small(*, classes: int = 10) -> resnet.ResNet:
    return resnet.build(classes=classes, depth=18, stem="small", mean=MEAN, std=STD)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_public_file_is_unwrapped(layout: str, state: State, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(LAYOUTS[layout](state), path)
    network = small()
    resnet.load_public(network, [path])
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_another_normalisation_is_refused(state: State, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    for changed in ("normalizer.new_mean", "normalizer.new_std"):
        torch.save({"model": {**attacker(state), changed: torch.full((3, 1, 1), 0.5)}}, path)
        with pytest.raises(AtopError, match=rf"^{path}: its {changed[-4:].strip('_')}.* is \[0.5,"):
            resnet.load_public(small(), [path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda state: {**state, "more": torch.zeros(1)}, "of another network: .*more"),
        (lambda state: dict(list(state.items())[:-1]), "of another network: .*linear.bias"),
        (
            lambda state: {**state, "linear.bias": torch.zeros(7)},
            "of another network: linear.bias is",
        ),
        (lambda state: {"epoch": 3}, "holds no state dict"),
        (lambda state: [1, 2], "holds no state dict"),
        (lambda state: {"net": None}, "holds no state dict"),
    ],
)
def test_anything_else_is_refused_in_a_line(
    content: Any, message: str, state: State, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    torch.save(content(state), path)
    with pytest.raises(AtopError, match=rf"^{path}: .*{message}") as caught:
        resnet.load_public(small(), [path])
    assert "\n" not in str(caught.value)


def test_a_broken_file_and_a_wrong_number_of_them_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_text("<html>quota exceeded</html>")
    with pytest.raises(AtopError, match=rf"^{path}: "):
        resnet.load_public(small(), [path])
    with pytest.raises(AtopError, match=f"{path}, {path}: this network has one file"):
        resnet.load_public(small(), [path, path])


def test_the_styles_of_wide_resnets_do_not_take_each_other_for_themselves(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    trades = wideresnet.build(classes=10, depth=10, width=1, style="trades")
    torch.save(trades.state_dict(), path)
    wideresnet.load_public(trades, [path])
    deepmind = wideresnet.build(classes=10, depth=10, width=1, style="deepmind")
    with pytest.raises(AtopError, match=rf"^{path}: weights of another network: no 'init_conv"):
        wideresnet.load_public(deepmind, [path])


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("resnet", {"depth": 20, "stem": "small"}),
        ("resnet", {"depth": 18, "stem": "medium"}),
        ("wideresnet", {"depth": 4, "width": 1, "style": "trades"}),
        ("wideresnet", {"depth": 30, "width": 1, "style": "trades"}),
        ("wideresnet", {"depth": 10, "width": 1, "style": "wide"}),
    ],
)
def test_a_network_that_there_is_not_is_refused(family: str, options: dict[str, Any]) -> None:
    with pytest.raises(AtopError, match=f"classifiers/{family}: options .* do not fit"):
        build("classifiers", family, classes=10, **options)


@pytest.mark.parametrize(
    ("name", "classes", "parameters"),
    [
        ("resnet18", 10, 11_173_962),
        ("resnet18_at", 10, 11_173_962),
        ("resnet18_32", 10, 11_173_962),
        ("resnet34", 10, 21_282_122),
        ("resnet50_256", 100, 23_705_252),
        ("resnet50", 10, 23_520_842),
    ],
)
def test_parameters(name: str, classes: int, parameters: int) -> None:
    row = config.classifier(name)
    with torch.device("meta"):
        network: nn.Module = build("classifiers", row.family, classes=classes, **row.options)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("name", ["resnet18", "resnet18_32", "resnet_small"])
def test_the_adversarially_trained_one_differs_in_its_training_alone(name: str) -> None:
    row = config.classifier(f"{name}_at").given()
    assert row.pop("training") == "adversarial"
    plain = config.classifier(name).given()
    plain.pop("weights", None)  # those of others
    assert {**row, "about": plain["about"]} == plain


def test_public_weights_have_rows_and_fit_the_dataset() -> None:
    checkpoints = config.checkpoints()
    for name, row in config.classifiers().items():
        for dataset, files in row.weights.items():
            assert set(files) <= set(checkpoints), name
            if "dataset" in row.options:
                assert row.options["dataset"] == dataset, name


def test_logits_are_of_the_normalised_image() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 32, 32)
    shifted = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    for family, options in (
        ("resnet", {"depth": 18, "stem": "small"}),
        ("wideresnet", {"depth": 10, "width": 1, "style": "deepmind"}),
    ):
        plain = build("classifiers", family, classes=10, **options).eval()
        normalised = build("classifiers", family, classes=10, **options, mean=MEAN, std=STD).eval()
        normalised.load_state_dict(plain.state_dict())
        torch.testing.assert_close(normalised(x), plain(shifted))


def test_a_classifier_of_the_config_is_built_for_its_dataset() -> None:
    with torch.device("meta"):
        assert assemble.classifier("cifar10", "wrn28_10").fc.out_features == 10
        with pytest.raises(AtopError, match="the model has 100 classes, the dataset 10"):
            assemble.classifier("cifar10", "pang2022_wrn28")
