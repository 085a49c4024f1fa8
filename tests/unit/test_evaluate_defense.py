"""A user's module under a protocol: evaluate_defense and `atop benchmark`."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atop import evaluate_defense
from atop.__main__ import main
from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.core.randomness import Randomness
from atop.experiment import config, paths
from atop.method.classifiers import external
from atop.method.user_module import PROBED
from atop.operations import benchmark
from atop.operations.benchmark import given
from atop.results import records

N = 8
PGD, L2 = "lee-kim-linf", "lee-kim-l2"
FILE = """
import torch
from torch import nn

class Mean(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.weight = nn.Parameter(scale * torch.eye(3, 10))
    def forward(self, x):
        return x.mean((2, 3)) @ self.weight

def build(scale=5.0):
    return Mean(scale).eval()
"""
Change = Callable[[str, dict[str, Any]], None]


class Noisy(nn.Module):
    """A classifier behind noise of the global generator."""

    def __init__(self, f: nn.Module, sigma: float = 0.05) -> None:
        super().__init__()
        self.f, self.sigma = f, sigma
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn_like(x)
        self.seen += list(noise[:, 0, 0, 0].detach().double())
        return self.f((x + self.sigma * noise).clamp(0, 1))


class Drawing(Noisy):
    """The same with the draws of the suite."""

    def forward(self, x: Tensor, randomness: Randomness) -> Tensor:
        noise = randomness.normal(tuple(x.shape[1:]), "noise").to(x)
        return self.f((x + self.sigma * noise).clamp(0, 1))


@pytest.fixture(autouse=True)
def _quick(change: Change, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protocols that attack with two steps and two draws, on the embedded images."""
    pgd = {"steps": 2, "eot": 2}
    grey_box = {"leave_out": ["pgd-10", "pgd-20", "pgd-1000", "cw-100"]}
    suites = {"lee_kim": {"draws": 3}, "table7": grey_box}
    change("presets/smoke", {"attacks": {"lee-kim-*": pgd}, "suites": suites})
    change("protocols", {"lee-kim": {"preset": "smoke"}, "grey-box": {"preset": "smoke"}})
    monkeypatch.setattr(config, "_GIVEN", {})
    monkeypatch.setattr(external, "GIVEN", {})


def evaluated(model: nn.Module, **options: Any) -> Any:
    return evaluate_defense(model, **{"protocol": "lee-kim", "n": N, "device": "cpu", **options})


def record_of(report: Any) -> dict[str, Any]:
    (path,) = report.records
    return records.check(read_json(path), where=str(path))


@pytest.mark.parametrize("kind", [Noisy, Drawing])
def test_a_random_module_is_measured_over_draws(classifier: nn.Module, kind: Any) -> None:
    report = evaluated(kind(classifier))
    record = record_of(report)
    assert record["draws"] == 3
    clean, attacked = (records.evaluation(record, name) for name in ("clean-native", PGD))
    assert clean
    assert attacked
    assert len({tuple(draw) for draw in attacked["predictions"]}) > 1
    assert 0 < attacked["distance"]["linf"] <= 8 / 255 + 1e-6
    assert report.numbers["pgd-linf"]["measured"] < report.numbers["clean"]["measured"]
    assert report.numbers["clean"]["n"] == N


def test_no_draw_of_an_attack_is_one_of_another_or_of_the_evaluation(
    classifier: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, drawn, run = Noisy(classifier), dict[str, set[float]](), benchmark.run

    def watched(stage: Any, device: torch.device) -> None:
        model.seen.clear()
        run(stage, device)
        drawn[stage.label] = set(map(float, model.seen))

    monkeypatch.setattr(benchmark, "run", watched)
    evaluated(model)
    # Each stage first draws twice, to see that the module is random.
    asked = set.intersection(*drawn.values())
    assert len(asked) == 2 * PROBED
    first, second, third = (each - asked for each in drawn.values())
    assert min(map(len, (first, second, third))) >= 3 * N
    assert len(first | second | third) == len(first) + len(second) + len(third)


def test_findings_say_what_the_numbers_do_not(classifier: nn.Module) -> None:
    def names(model: nn.Module, **options: Any) -> set[str]:
        return {finding["name"] for finding in evaluated(model, **options).findings}

    class Hard(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.one_hot(classifier(x).argmax(1), 10).float()

    class Shifted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return classifier((x - x.mean(0) + 0.5).clamp(0, 1))

    assert "seeded-generators" in names(Noisy(classifier).eval())
    assert "seeded-generators" not in names(Drawing(classifier).eval())
    assert "zero-gradient" in names(Hard().eval())
    assert "softmax-output" in names(nn.Sequential(classifier, nn.Softmax(1)).eval())
    assert "depends-on-batch" in names(Shifted().eval())
    assert "training-mode" in names(nn.Sequential(classifier).train())
    assert not {"training-mode", "depends-on-batch"} & names(nn.Sequential(classifier).eval())


def test_a_grey_box_attack_is_made_on_the_classifier_inside(classifier: nn.Module) -> None:
    with pytest.raises(AtopError, match="grey-box attacks the classifier inside"):
        evaluated(Noisy(classifier), protocol="grey-box")
    report = evaluated(Noisy(classifier), protocol="grey-box", classifier=classifier)
    (fgsm,) = [run for run in record_of(report)["evaluations"] if run["attack"] == "fgsm"]
    assert fgsm["adversarial"]["victim"]["classifier"] == "mine_inside"


def test_what_is_done_is_kept_until_the_module_changes(
    classifier: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    run = benchmark.run
    monkeypatch.setattr(benchmark, "run", lambda s, d: (ran.append(s.label), run(s, d))[1])
    model = Drawing(classifier)
    first = evaluated(model)
    assert len(ran) == 3  # two attacks and the evaluation
    assert str(evaluated(model)) == str(first)
    assert len(ran) == 3
    (paths.RESULTS / "defenses/lee-kim-n8/adversarial/cifar10_slice-mine-undefended").joinpath(
        f"{L2}.safetensors"
    ).unlink()
    evaluated(model)
    assert len(ran) == 5  # one attack and the evaluation
    evaluated(nn.Sequential(classifier))
    assert len(ran) == 8


def test_another_module_is_told_by_its_hash_whatever_the_times_of_files(
    classifier: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "_newer", lambda *_: True)
    first = evaluated(nn.Sequential(classifier))
    shifted = nn.Sequential(classifier, nn.Linear(10, 10))
    hashes = record_of(first)["provenance"]["checkpoints"]
    assert record_of(evaluated(shifted))["provenance"]["checkpoints"] != hashes


def test_a_report_is_saved_as_record_and_table(classifier: nn.Module, workdir: Path) -> None:
    report = evaluated(Drawing(classifier))
    files = {path.name for path in report.save("out")}
    assert files == {
        "lee-kim.csv", "lee-kim.md", "lee-kim.tex", "lee-kim.diff.md", "lee_kim-defense.json",
    }  # fmt: skip
    text = (workdir / "out" / "lee-kim.md").read_text()
    assert f"{report.numbers['pgd-linf']['measured']:.1f}" in text
    assert "mine" in (workdir / "out" / "lee-kim.tex").read_text()
    assert json.loads((workdir / "out" / "lee_kim-defense.json").read_text()) == read_json(
        report.records[0]
    )


def test_the_command_runs_a_function_of_a_file(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "my_defense.py").write_text(FILE)
    words = "my_defense.py:build --protocol lee-kim --n 8 --device cpu --out out"
    assert main(["benchmark", *words.split()]) == 0
    printed = capsys.readouterr().out
    assert "PGD+EOT, Linf" in printed
    assert "Findings: none" in printed, printed
    record = read_json(workdir / "out" / "lee_kim-defense.json")
    assert record["provenance"]["checkpoints"].keys() == {"classifier"}
    assert record["draws"] == len(record["evaluations"][0]["predictions"]) == 3


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("no.py:build", "no.py: no such file"),
        ("my_defense.py:other", "my_defense.py: no function other"),
        ("my_defense.py:number", r"number\(\) returned int, not an nn.Module"),
        ("my_defense.py:build --protocol mine", "protocols.yaml: no 'mine'; known are strict"),
        ("my_defense.py:build --name My-Defence", "only lower-case letters"),
        ("my_defense.py:build --name resnet18", "take another name"),
        ("my_defense.py:build --device cuda:9", "device cuda:9"),
        ("foo:bar", "no library 'foo'"),
        ("torchvision:resnet_none@none", "torchvision:resnet_none"),
        ("torchvision:resnet18@none", "1000 classes, cifar10 has 10"),
        ("robustbench:Nobody2020", "RobustBench has no 'Nobody2020'"),
    ],
)
def test_wrong_words_are_answered_in_a_line(
    words: str, reason: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "my_defense.py").write_text(FILE + "\ndef number():\n    return 3\n")
    arguments = ["--protocol", "lee-kim", "--n", "8", "--device", "cpu", *words.split()[1:]]
    assert main(["benchmark", words.split(maxsplit=1)[0], *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("atop benchmark: error:")
    assert re.search(reason, line), line
