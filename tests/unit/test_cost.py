"""What is told of costs: by hand from rates that are made up, and beside what jobs took."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atop.__main__ import main
from atop.core.files import ROOT, write_json
from atop.experiment import config, presets
from atop.experiment.stages import plan
from atop.experiment.stages.stage import Stage
from atop.experiment.tables import Table, table
from atop.experiment.workload import TrainingStep
from atop.operations.cost import estimates, machines
from atop.operations.cost.estimates import Estimate, estimate
from atop.operations.cost.rates import Rate, Rates

CELL = "cifar10_slice-resnet_small-deepfill-scratch-rt2-adversarial-paper-s0"
BARE = "cifar10_slice-resnet_small-undefended"
PGD = 7 + 4 * 20 + 3 * 40  # queries for an image by FGSM, PGD-10, PGD-20, PGD-1000 (40 steps)


@pytest.fixture
def small(workdir: Path) -> Table:
    return table("table7", presets.get("smoke"))


def known(made: Table, ms: float = 1.0, *, without: str = "") -> tuple[list[Stage], Rates]:
    """The stages of a table, and rates of all their operations, each the same, but some."""
    jobs, rates = plan.of_tables([made]), Rates(machines.cpu(1))
    rates.add_start(2.0)
    for one in rates.unknown(estimates.operations(jobs)):
        if not (without and without in str(one)):
            weights = 0.5 if isinstance(one, TrainingStep) else 0.0
            rates.add(one, Rate(ms=ms, peak_mb=500, weights_mb=weights))
    return jobs, rates


def say(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["cost", "table7", "--preset", "smoke", *options]) == 0
    return capsys.readouterr().out


def lines(text: str) -> dict[str, list[str]]:
    """Words of each line of the printed table, by its cell."""
    _, *rows = text.split("\n\n")[1].splitlines()
    return {row.split()[-1]: re.split(r"  +", row.strip())[:-1] for row in rows}


def done(stage: Stage, seconds: float, **more: Any) -> None:
    """The metadata of a stage that took so long."""
    about = {"wall_s": seconds, "device": "cpu", "threads": 1, **more.pop("made", {})}
    write_json(stage.metadata, {"provenance": about, **more})


def of(jobs: list[Stage], label: str) -> Stage:
    return next(one for one in jobs if one.label == label)


def test_costs_by_hand(small: Table, capsys: pytest.CaptureFixture[str]) -> None:
    jobs, _ = known(small, ms=2.0)
    told = lines(say(capsys))
    # 256 images: FGSM 1, PGD 10, 20 and 40, CW at most 50; six sets to classify once.
    attacks, evaluation = 0.002 * 256 * (1 + 10 + 20 + 40 + 50), 0.002 * 256 * 6
    assert told[BARE] == [
        f"<= {attacks / 60:.1f} min", f"{evaluation:.1f} s",
        f"<= {(attacks + evaluation) / 60:.1f} min", "500 MB", "16 MB",
    ]  # fmt: skip
    # 3,072 images; three sets of 64 at six points, which take FGSM and PGD-20 to make.
    training = 0.002 * (3072 + 64 * (3 * 6 + 21))
    whole = training + evaluation
    held = 2128 * 32 * 32 * 3 / 2**20
    told_of = [f"{training:.0f} s", f"{evaluation:.1f} s", f"{whole:.0f} s", f"{500 + held:.0f} MB"]
    assert told[CELL] == [*told_of, "0.5 MB"]
    every = sum(estimate(one, Rates(machines.cpu(1))).seconds for one in jobs) + 2 * len(jobs)
    assert told["total"][3] == f"<= {every / 60:.1f} min"
    assert len(jobs) == 26
    assert told["jobs"] == ["52 s"]
    assert told["cifar10_slice"] == ["8.1 MB"]


def test_what_is_not_measured_is_said_and_not_guessed(
    small: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = say(capsys, "--no-calibration")
    assert lines(nothing)["total"][:4] == ["?"] * 4
    assert f"?: not measured on {machines.cpu(1).device}, 17 in all" in nothing
    assert nothing.count("images\n") == 5  # the first of them
    known(small, without="training (AToP) of rt2")
    some = say(capsys, "--no-calibration")
    assert lines(some)[CELL][0] == "2.5 s + ?"  # its curve is known
    assert lines(some)[CELL][2:] == ["4.0 s + ?", ">= 506 MB", "?"]
    assert "1 in all:\n  training (AToP) of rt2, deepfill, resnet_small: 16 images\n" in some
    assert " + ?" in lines(some)["total"][3]
    assert "?" not in "".join(lines(some)[BARE])


def test_with_all_rates_known_nothing_is_measured(small: Table) -> None:
    known(small)
    ask = "import sys; from atop.__main__ import main; main(sys.argv[1:]); print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", ask, "cost", "table7", "--preset", "smoke"],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.stderr == ""
    *told, modules = run.stdout.splitlines()
    assert any(line.endswith("  total") for line in told)
    assert not {"pandas", "matplotlib"} & set(modules.split())


def test_another_devices_rates_are_used_as_they_are(
    small: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = plan.of_tables([small])
    rates = Rates(machines.Machine(device="NVIDIA H200", cuda=True, threads=1))
    for one in rates.unknown(estimates.operations(jobs)):
        rates.add(one, Rate(ms=1.0, peak_mb=500))
    text = say(capsys, "--device", "nvidia-h200")
    assert text.startswith("table7 of preset smoke on NVIDIA H200, each job at a time\n")
    assert lines(text)["total"][1] == "<= 31 s"
    assert lines(text)["jobs"] == ["?"]  # how long one takes to start is not known


def test_what_was_taken_stands_beside_the_estimate(
    small: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, _ = known(small)
    assert "took: " not in say(capsys)
    done(of(jobs, f"attack pgd-20 {BARE}"), 6.4)  # 5.12 estimated
    done(of(jobs, f"attack pgd-10 {BARE}"), 2.56)  # 2.56 estimated
    done(of(jobs, f"attack cw-100 {BARE}"), 1.0)  # at most
    done(of(jobs, f"attack fgsm {BARE}"), 100.0, made={"threads": 2})  # of another machine
    done(of(jobs, f"evaluate table7 {CELL}"), 9.0, resumed=True)
    text = say(capsys)
    assert lines(text)[BARE][-1] == "1.8 min"
    assert lines(text)[CELL][-1] == ">= 9.0 s"
    assert lines(text)["total"][-1] == ">= 2.0 min"
    assert (
        "took: 5 of 26 jobs are done, timed after their start; 2 took 9.0 s, estimated were 7.7 s "
        "(took / estimated 1.17); 3 not compared" in " ".join(text.split())
    )


@pytest.mark.parametrize(
    ("changes", "compared"),
    [
        ({}, True), ({"at_most": True}, False), ({"resumed": True}, False),
        ({"elsewhere": True}, False), ({"unknown": ("an operation",)}, False),
        ({"took": None}, False),
    ],
    ids=str,
)  # fmt: skip
def test_only_what_is_like_the_estimate_is_compared(
    small: Table, changes: dict[str, Any], compared: bool
) -> None:
    plain: dict[str, Any] = {
        "stage": plan.of_tables([small])[0], "seconds": 1, "unknown": (), "at_most": False,
        "memory": 1.0, "smaller": False, "disk": 0, "took": 2.0, "resumed": False,
        "elsewhere": False,
    }  # fmt: skip
    assert Estimate(**{**plain, **changes}).comparable == compared


def test_files_from_elsewhere_are_counted(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Rates(machines.Machine(device="A GPU", cuda=True, threads=4)).add_start(5)
    assert main(["cost", "table7", "--device", "a-gpu"]) == 0
    told = capsys.readouterr().out
    assert re.search(r" 16 MB +public weights$", told, re.MULTILINE)  # DeepFillv2's
    assert re.search(r" 184 MB +dataset cifar10$", told, re.MULTILINE)
    assert main(["cost", "table6", "--device", "a-gpu"]) == 0
    assert "public weights, without 6 of unknown size" in capsys.readouterr().out


def test_all_tables_share_their_stages(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "all", "--preset", "smoke", "--no-calibration"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(", ".join(config.tables()))
    several = [len(plan.of_tables([table(name, presets.get("smoke"))])) for name in config.tables()]
    (jobs,) = re.findall(r"start of (\d+) jobs", text)
    assert max(several) < int(jobs) < sum(several)
    assert "numbers are not run here" in text


def test_a_table_of_which_nothing_is_run_costs_nothing(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", "table4", "--preset", "smoke", "--no-calibration"]) == 0
    text = capsys.readouterr().out
    assert "start of 0 jobs" in text
    runs = re.search(r"^(\d+) of (\d+) numbers are not run here", text, re.MULTILINE)
    assert runs
    assert runs[1] == runs[2]


def test_unknown_names_and_missing_devices(
    workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for words, said in (
        (["table77"], "no such file; known are"),
        (["table7", "--preset", "huge"], "no such file; known are"),
        (["table7", "--device", "mine"], "no rates of device 'mine'"),
        (["table7"], "--allow-cpu"),
    ):
        assert main(["cost", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("atop cost: error: ")
        assert said in line
