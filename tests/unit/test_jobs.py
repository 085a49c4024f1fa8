"""The training jobs make what the config says, where the workflow looks for it."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.synthetic_data import cut
from torch import Tensor, nn

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.files import read_json, sha256
from atop.core.randomness import Randomness
from atop.data import embedded
from atop.experiment import config, paths, presets
from atop.experiment.cells import Cell
from atop.experiment.stages.finetuning import Pretrain, finetuning
from atop.experiment.stages.training import TrainClassifier
from atop.pipeline import assemble
from atop.pipeline.datasets import fetch
from atop.pipeline.run import run
from atop.pipeline.training import jobs

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
RT2 = Cell(
    dataset="cifar10_slice", classifier="resnet_small", purifier="deepfill", init="scratch",
    transform="rt2", finetune="adversarial",
)  # fmt: skip


@pytest.fixture
def small(change: Any, workdir: Path) -> Any:
    """The smoke preset with two steps a stage, its data fetched."""
    stage = {"images": 8, "batch": 4}
    stages = {"l_org": stage, "atop": {**stage, "images": 12}}
    change("presets/smoke", {"stages": stages, "recipe": ...})
    fetch("cifar10_slice")
    return change


def history(cell: Cell) -> list[set[str]]:
    account = read_json(paths.purifier(presets.get("smoke"), cell).with_suffix(".json"))
    return [set(row) - {"step"} for row in account["history"]]


def test_a_purifier_without_weights_is_not_trained(small: Any) -> None:
    with pytest.raises(AtopError, match="grey_fill has no weights to train"):
        jobs.pretrain(Pretrain.of(presets.get("smoke"), "cifar10_slice", "grey_fill"), CPU)


def test_jobs_make_the_cells_that_the_tables_name(small: Any) -> None:
    base = run(finetuning(presets.get("smoke"), RT2.base), CPU)
    assert base.stem == "cifar10_slice-any-deepfill-scratch-rt2-none-paper-s0"
    l_org, atop = {"l1", "gan", "d"}, {"l1", "gan", "d", "ce"}
    assert history(RT2.base) == [l_org] * 2
    expected = {"adversarial": atop, "clean": atop, "continued": l_org}
    made = {}
    for finetune, terms in expected.items():
        cell = replace(RT2, finetune=finetune)
        made[finetune] = run(finetuning(presets.get("smoke"), cell), CPU)
        assert history(cell) == [terms] * 3  # the control gets as many steps as AToP
        account = read_json(made[finetune].with_suffix(".json"))
        assert account["settings"]["start_sha256"] == sha256(base)
        assert account["settings"]["cell"]["id"] == cell.id
    assert made["continued"].stem == "cifar10_slice-any-deepfill-scratch-rt2-continued-paper-s0"
    assert len({sha256(path) for path in (base, *made.values())}) == 4
    assert not list(Path("results/state").rglob("*.pt"))


def test_a_job_starts_where_the_one_before_it_ended(small: Any) -> None:
    still = {"stages": {"l_org": {"lr": 1e-12}}}
    small("presets/smoke", still)

    def weights(path: Path) -> Tensor:
        return torch.cat([one.flatten() for _, one in sorted(checkpoints.read(path).items())])

    given = weights(embedded.FOLDER / "deepfill.safetensors")
    base = weights(run(finetuning(presets.get("smoke"), RT2.base), CPU))
    torch.testing.assert_close(base, given, rtol=0, atol=1e-6)
    small("presets/smoke", {"stages": {"l_org": {"lr": 0.01}}})
    base = weights(run(finetuning(presets.get("smoke"), RT2.base), CPU))
    assert (base - given).abs().max() > 1e-3
    small("presets/smoke", {"stages": {"atop": {"lr": 1e-12}}})
    for finetune in ("adversarial", "continued"):
        cell = replace(RT2, finetune=finetune)
        after = weights(run(finetuning(presets.get("smoke"), cell), CPU))
        torch.testing.assert_close(after, base, rtol=0, atol=1e-6)


def test_recipes_reach_the_training(small: Any) -> None:
    small("recipes", {"official": {"ce_after_images": 4}, "paper": {"attack_target": "defense"}})
    official = replace(RT2, recipe="official")
    for cell in (RT2, official):
        run(finetuning(presets.get("smoke"), cell.base), CPU)
        run(finetuning(presets.get("smoke"), cell), CPU)
    l_org, atop = {"l1", "gan", "d"}, {"l1", "gan", "d", "ce"}
    assert history(official) == [l_org, atop, atop]
    assert history(RT2) == [atop] * 3
    small("presets/smoke", {"recipe": {"gan": "off"}})  # a preset's word goes over a recipe's
    run(finetuning(presets.get("smoke"), RT2), CPU)
    assert history(RT2) == [{"l1", "ce"}] * 3


def test_the_recipes_of_one_l_org_stage_share_it_and_differ_after_it(small: Any) -> None:
    base = run(finetuning(presets.get("smoke"), RT2.base), CPU)
    made = {}
    for recipe in ("paper", "minmax"):
        path = run(finetuning(presets.get("smoke"), replace(RT2, recipe=recipe)), CPU)
        settings = read_json(path.with_suffix(".json"))["settings"]
        assert settings["start_sha256"] == sha256(base)
        made[recipe] = (settings["recipe"]["attack_target"], sha256(path))
    assert [one for one, _ in made.values()] == ["classifier", "defense"]
    assert made["paper"][1] != made["minmax"][1]


def test_pretraining_and_classifier_jobs_write_what_their_preset_looks_for(
    change: Any, workdir: Path
) -> None:
    stages = {"pretrain": {"images": 8, "batch": 4}, "classifier": {"epochs": 2, "batch": 16}}
    change("presets/embedded", {"stages": stages})
    cut(fetch("cifar10_slice"), 32)
    cell = replace(RT2, finetune="none")
    trained = jobs.classifier(
        TrainClassifier(
            preset=presets.get("embedded"),
            cell=Cell(dataset="cifar10_slice", classifier="resnet_small"),
        ),
        CPU,
    )
    pretrained = jobs.pretrain(
        Pretrain.of(presets.get("embedded"), "cifar10_slice", "deepfill"), CPU
    )
    assert len(read_json(trained.with_suffix(".json"))["history"]) == 4
    assert len(read_json(pretrained.with_suffix(".json"))["history"]) == 2
    network = assemble.trained_classifier(presets.get("embedded"), "cifar10_slice", "resnet_small")
    assert torch.isfinite(network(torch.rand(2, 3, 32, 32))).all()
    purifier = assemble.purifier(presets.get("embedded"), "deepfill")
    before = deepcopy(purifier.state_dict())
    assemble.initialise(purifier, presets.get("embedded"), cell)
    key = "generator.stage1.conv1.conv.weight"
    assert not torch.equal(purifier.state_dict()[key], before[key])


def test_a_purifier_may_have_a_loss_a_size_and_budgets_of_its_own(
    change: Any, workdir: Path
) -> None:
    tiny = {"width": 16, "depth": 1, "heads": 2}
    tiny |= {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2}
    stage = {"overrides": {"dmae": {"images": 8, "batch": 4}, "rt2": {"images": 16}}}
    stages = {"pretrain": stage, "l_org": stage, "atop": stage}
    given = {"dmae": {"options": tiny, "checkpoints": {"scratch": ...}}}
    change("presets/smoke", {"stages": stages, "purifiers": given})
    fetch("cifar10_slice")
    cell = replace(RT2, purifier="dmae", transform="tokens")
    jobs.pretrain(Pretrain.of(presets.get("smoke"), "cifar10_slice", "dmae"), CPU)
    pretrained = paths.initial(presets.get("smoke"), cell).with_suffix(".json")
    assert [set(row) - {"step"} for row in read_json(pretrained)["history"]] == [{"mae"}] * 2
    for one, terms in ((cell.base, {"mae"}), (cell, {"mae", "ce"})):
        account = read_json(run(finetuning(presets.get("smoke"), one), CPU).with_suffix(".json"))
        assert history(one) == [terms] * 2
        assert account["settings"]["budget"]["weight_decay"] == 0.05
    draw = Randomness(0, "test", torch.arange(2))
    purified = assemble.defense(presets.get("smoke"), cell).purify(torch.rand(2, 3, 32, 32), draw)
    assert purified.shape == (2, 3, 32, 32)


def test_a_warm_up_that_outlasts_the_budget_is_refused(small: Any) -> None:
    official = replace(RT2, recipe="official")
    run(finetuning(presets.get("smoke"), official.base), CPU)
    with pytest.raises(AtopError, match=r"stages\.atop: 12 images end before recipe official"):
        run(finetuning(presets.get("smoke"), official), CPU)
    run(finetuning(presets.get("smoke"), replace(official, finetune="continued")), CPU)


def test_another_classifier_is_another_run(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run(finetuning(presets.get("smoke"), RT2.base), CPU)
    run(finetuning(presets.get("smoke"), RT2), CPU)
    account = read_json(paths.purifier(presets.get("smoke"), RT2).with_suffix(".json"))
    (path,) = paths.classifier(presets.get("smoke"), RT2.dataset, RT2.classifier)
    assert account["settings"]["classifier_sha256"] == sha256(path)
    assert account["provenance"]["identity"] == config.digest(account["settings"])


def test_a_classifier_tuned_on_transformed_images_is_the_control_without_a_purifier(
    small: Any,
) -> None:
    budget = {"epochs": 1, "batch": 100, "lr": 0.01, "momentum": 0.9, "weight_decay": 0.0}
    small("presets/smoke", {"stages": {"tune": {**budget, "label_smoothing": 0.0}}})
    cell = Cell(
        dataset="cifar10_slice", classifier="resnet_small", transform="rt2", finetune="classifier"
    )
    out = run(finetuning(presets.get("smoke"), cell), CPU)
    assert [out] == paths.classifier_of(presets.get("smoke"), cell)
    account = read_json(out.with_suffix(".json"))
    given = embedded.FOLDER / "resnet_small.safetensors"
    assert account["settings"]["start_sha256"] == sha256(given)
    assert sha256(given) != sha256(out)
    split = assemble.evaluation_set(presets.get("smoke"), "cifar10_slice", 64)
    draw = Randomness(0, "test", split.index)

    def loss(which: Cell) -> float:
        defense = assemble.defense(presets.get("smoke"), which)
        logits = defense(split.inputs(32), draw)
        return float(nn.functional.cross_entropy(logits, split.labels))

    untuned = cell.target("untuned")
    assert loss(cell) < loss(untuned) - 0.3  # it has learned to read what RT2 leaves
    again = run(finetuning(presets.get("smoke"), cell), CPU)
    assert read_json(again.with_suffix(".json"))["history"] == account["history"]
