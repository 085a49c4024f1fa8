"""One real run in small, killed in the middle and finished; then what Snakemake would do again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from support.checkout import HEADLINE, SMOKE, SNAKEMAKE, Checkout, Said, check_out

from atop.core.files import read_json
from atop.experiment import presets

pytestmark = pytest.mark.slow

BUDGET = {"images": 256, "batch": 32}
WHAT_FOLLOWS = {"evaluate": 4, "table": 1}


@dataclass(frozen=True)
class Run:
    """A finished run and what was seen on the way."""

    checkout: Checkout
    left_by_kill: list[str]
    locked: Said
    unlocked: Said
    finished: Said


def tiny(checkout: Checkout) -> None:
    """Three rows and a control of Table 7 and no other table, two attacks, eight images."""
    for path in (checkout.folder / "workflow/config/tables").glob("*.yaml"):
        if path.stem != "table7":  # others quote what is left out here
            path.unlink()
    checkout.change(
        "presets/smoke",
        {
            "evaluation": {"n": 8, "batch": 8},
            "sizes": {"purifier": 32},
            "stages": {"l_org": BUDGET, "atop": BUDGET},
            "attacks": {"pgd-20": {"steps": 2}},
            "slow_tables": [],
        },
    )
    checkout.change("attacks", {"suites": {"table7": {"attacks": ["clean", "fgsm", "pgd-20"]}}})
    spec: dict[str, Any] = yaml.safe_load(
        (checkout.folder / "workflow/config/tables/table7.yaml").read_text()
    )
    for preset in presets.names():  # a row that the smaller table has not
        if "table7" in presets.get(preset).settings.leave_out:
            checkout.change(f"presets/{preset}", {"leave_out": {"table7": ["dmae-none"]}})
    kept = {"rt2-none", "rt2-atop", "rt2-continued", "undefended"}
    for rows in ("rows", "controls"):
        spec[rows] = [row for row in spec[rows] if row["key"] in kept]
    spec["columns"] = [c for c in spec["columns"] if c["attack"] in ("clean", "fgsm", "pgd-20")]
    spec["pairs"] = [pair for pair in spec["pairs"] if set(pair) <= kept]
    checkout.write("workflow/config/tables/table7.yaml", yaml.safe_dump(spec, sort_keys=False))
    checkout.write("workflow/config/queue.yaml", "queue: [{table: table7}]\n")


def kill_in_training(checkout: Checkout) -> list[str]:
    """Start the run, SIGKILL all of it once a training has saved its state; return what it left."""
    with (checkout.folder / "killed.log").open("wb") as log:
        started = subprocess.Popen(
            [*SNAKEMAKE, "--cores", "2", "--", SMOKE],
            cwd=checkout.folder,
            env=os.environ | {"ATOP_SAVE_EVERY_S": "0"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 120
            while not list(checkout.folder.glob("results/state/smoke/purifiers/*.pt")):
                assert started.poll() is None, (checkout.folder / "killed.log").read_text()
                assert time.monotonic() < deadline, (checkout.folder / "killed.log").read_text()
                time.sleep(0.02)
        finally:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()
    return results(checkout)


def results(checkout: Checkout) -> list[str]:
    """Files of results/ except logs."""
    found = (checkout.folder / "results").rglob("*")
    names = [str(path.relative_to(checkout.folder / "results")) for path in found if path.is_file()]
    return sorted(name for name in names if not name.startswith("logs/"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    checkout = check_out(tmp_path_factory.mktemp("run"))
    tiny(checkout)
    left = kill_in_training(checkout)
    locked = checkout.run("--cores", "2", "--", SMOKE)
    unlocked = checkout.run("--unlock", "--cores", "2")
    profile = ("--workflow-profile", "workflow/profiles/local")
    finished = checkout.run(*profile, "--", SMOKE)
    return Run(checkout, left, locked, unlocked, finished)


@pytest.fixture
def made(run: Run, tmp_path: Path) -> Checkout:
    """The finished run, a test's own copy."""
    assert run.finished.code == 0, run.finished.text
    return run.checkout.twin(tmp_path / "made")


def test_killed_run_leaves_only_whole_files(run: Run) -> None:
    parts = [name for name in run.left_by_kill if name.endswith(".part")]
    assert all(Path(name).name.startswith(".") for name in parts)
    states = [Path(name) for name in run.left_by_kill if name.startswith("state/")]
    assert states
    for state in states:
        result = state.relative_to("state").with_suffix(".safetensors")
        assert str(result) not in run.left_by_kill


def test_killed_run_refuses_until_unlocked(run: Run) -> None:
    assert run.locked.code != 0
    assert not run.locked.jobs
    assert "--unlock" in run.locked.text
    assert run.unlocked.code == 0


def test_killed_run_finishes(run: Run) -> None:
    assert run.finished.code == 0, run.finished.text
    assert (run.checkout.folder / SMOKE).read_text().count("%") > 0
    # fetch and whatever else was whole is not made again.
    assert "rule fetch:" not in run.finished.text
    after = results(run.checkout)
    assert not [name for name in after if name.startswith("state/")]
    for cell in ("any-deepfill-scratch-rt2-none", "resnet_small-deepfill-scratch-rt2-adversarial"):
        about = f"results/smoke/purifiers/cifar10_slice-{cell}-paper-s0.json"
        history = read_json(run.checkout.folder / about)["history"]
        assert [row["step"] for row in history] == list(range(1, 9))


def test_nothing_to_do_after_a_run(run: Run) -> None:
    assert run.checkout.plan("--", SMOKE).counts == {}


def test_incomplete_output_is_refused_then_made_again(made: Checkout) -> None:
    """Half an output of a killed job, as Snakemake marks it; the local profile makes it again."""
    record = next((made.folder / "results/smoke/records").glob("*rt2-none*/*.json"))
    name = str(record.relative_to(made.folder))
    marker = _marker(made, name)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    refused = made.run("--cores", "2", "--", SMOKE)
    assert refused.code != 0
    assert "IncompleteFilesException" in refused.text
    assert name in refused.text
    planned = made.run("-n", "--workflow-profile", "workflow/profiles/local", "--", SMOKE)
    assert planned.counts == {"evaluate": 1, "table": 1}


def _marker(checkout: Checkout, name: str) -> Path:
    """Where Snakemake notes that a file is being made: named as its metadata, in another folder."""
    known = checkout.folder / ".snakemake" / "metadata"
    (found,) = [path for path in known.rglob("*") if path.is_file() and _decoded(path) == name]
    return checkout.folder / ".snakemake" / "incomplete" / found.relative_to(known)


def _decoded(path: Path) -> str:
    import base64

    try:
        return base64.b64decode(path.name).decode()
    except ValueError:
        return ""


def _append(name: str, text: str) -> Callable[[Checkout], None]:
    def edit(checkout: Checkout) -> None:
        checkout.write(name, (checkout.folder / name).read_text() + text)

    return edit


def _config(name: str, **changes: Any) -> Callable[[Checkout], None]:
    return lambda checkout: checkout.change(name, changes)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(
            _append("atop/reporting/templates/table.md.j2", "\n"), {"table": 1}, id="template"
        ),
        pytest.param(_append("atop/reporting/notes.py", "\n"), {"table": 1}, id="wording"),
        pytest.param(_append("tables/paper/table7.csv", "\n"), {"table": 1}, id="paper"),
        pytest.param(_append("workflow/config/deviations.yaml", "\n"), {"table": 1}, id="ledger"),
        pytest.param(_config("presets/smoke", comparable=True), {"table": 1}, id="comparable"),
        # Results say which code made them; a comment must not cost days of GPU.
        pytest.param(_append("atop/method/attacks/pgd.py", "\n# x\n"), {}, id="code"),
        pytest.param(
            _config("attacks", attacks={"pgd-20": {"step_size": "1/255"}}),
            {"attack": 1, **WHAT_FOLLOWS},
            id="attack",
        ),
        # AToP trains on FGSM examples, so its budget is one of the training's too.
        pytest.param(
            _config("attacks", attacks={"fgsm": {"eps": "4/255"}}),
            {"attack": 1, "finetune": 1, **WHAT_FOLLOWS},
            id="fgsm",
        ),
        pytest.param(
            _config("presets/smoke", stages={"atop": {"images": 128}}),
            {"finetune": 2, "evaluate": 2, "table": 1},
            id="atop",
        ),
        pytest.param(
            _config("presets/smoke", stages={"l_org": {"images": 128}}),
            {"finetune": 3, "evaluate": 3, "table": 1},
            id="l_org",
        ),
        pytest.param(
            _config("transforms", rt2={"sigma": 0.2}),
            {"finetune": 3, "evaluate": 3, "table": 1},
            id="transform",
        ),
        pytest.param(_config("transforms", rt1={"missing_rate": 0.5}), {}, id="other-transform"),
    ],
)
def test_what_an_edit_makes_again(
    made: Checkout, edit: Callable[[Checkout], None], expected: dict[str, int]
) -> None:
    edit(made)
    assert made.plan("--", SMOKE).counts == expected


def test_how_it_runs_makes_nothing_again(made: Checkout, tmp_path: Path) -> None:
    """Threads, permission to use the CPU and where the data came from change no number."""
    made.change("presets/smoke", {"threads": 2})
    words = ("allow_cpu=true", f"files={tmp_path}", "offline=true")
    planned = made.plan("--config", *words, "--", SMOKE).counts
    assert planned == {"table": 1}  # the preset's file is newer


def test_another_target_shares_what_there_is(made: Checkout) -> None:
    """The undefended row's sets are those of the grey box; nothing is trained again."""
    planned = made.plan("--config", "target=defense", "--", SMOKE)
    assert planned.counts == {"attack": 2 * 3, **WHAT_FOLLOWS}


no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@no_gpu
def test_headline_without_a_gpu_stops_before_anything_else(fresh: Checkout) -> None:
    nowhere = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")
    said = fresh.run("--cores", "4", "--resources", "gpu=1", "--", HEADLINE, **nowhere)
    assert said.code != 0
    (line,) = [line for line in said.text.splitlines() if line.startswith("atop device: error:")]
    assert all(word in line for word in ("native", "smoke", "allow_cpu=true"))
    assert [job.rule for job in said.jobs] == ["device"]
    made = [path for path in (fresh.folder / "results").rglob("*") if path.is_file()]
    assert made == [fresh.folder / "results/logs/paper/device.log"]


@no_gpu
def test_allow_cpu(fresh: Checkout) -> None:
    gate = "results/paper/device"
    said = fresh.run("--cores", "1", "--config", "allow_cpu=true", "--", gate)
    assert said.code == 0, said.text
    assert (fresh.folder / gate).exists()
    # Neither taking the permission back nor a newer answer makes anything again.
    assert fresh.plan("--", gate).counts == {}
    outputs = [name for job in fresh.plan("--", HEADLINE).jobs for name in job.outputs]
    for name in outputs:
        (fresh.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh.folder / name).touch()
    assert fresh.run("--touch", "--cores", "1", "--", HEADLINE).code == 0
    (fresh.folder / gate).touch()
    assert fresh.plan("--", HEADLINE).counts == {}
    (fresh.folder / gate).unlink()
    assert fresh.plan("--", HEADLINE).counts == {}
