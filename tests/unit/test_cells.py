"""Cells: ids and paths both ways, and which cell a cell starts from or stands in for."""

from dataclasses import replace
from pathlib import Path

import pytest

from atop.core.errors import AtopError
from atop.experiment import paths, presets
from atop.experiment.cells import ABLATIONS, EQUIVALENT, FINETUNES, TARGETS, Cell
from atop.experiment.stages.stage import networks

CELL = Cell(
    dataset="cifar10", classifier="resnet18", purifier="deepfill", init="places2",
    transform="rt2", finetune="adversarial", recipe="official", seed=3,
)  # fmt: skip
BARE = Cell(dataset="cifar10", classifier="resnet18")


def test_ids() -> None:
    assert CELL.id == "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-s3"
    assert BARE.id == "cifar10-resnet18-undefended"
    assert BARE.undefended
    assert not CELL.undefended
    assert replace(BARE, transform="rt1").id == "cifar10-resnet18-identity-none-rt1-none-paper-s0"


def test_a_purifier_without_weights_has_no_init() -> None:
    grey = Cell(dataset="cifar10", classifier="resnet18", purifier="grey_fill", transform="rt1")
    assert grey.id == "cifar10-resnet18-grey_fill-none-rt1-none-paper-s0"
    assert Cell.parse(grey.id) == grey
    assert not grey.undefended  # its transform is there
    for cell in (grey, BARE, replace(BARE, transform="rt1")):
        assert not cell.purifies
        assert networks(presets.get("paper"), cell) == networks(presets.get("paper"), BARE)
    assert CELL.purifies
    assert paths.purifier(presets.get("paper"), CELL) in networks(presets.get("paper"), CELL)


@pytest.mark.parametrize("finetune", FINETUNES)
def test_an_id_is_read_back(finetune: str) -> None:
    for cell in (replace(CELL, finetune=finetune), BARE, replace(CELL, dataset="cifar10_slice")):
        assert Cell.parse(cell.id) == cell


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_an_ablation_is_the_last_word_of_an_id(ablation: str) -> None:
    cell = replace(CELL, ablation=ablation)
    assert cell.id == CELL.id + ("" if ablation == "none" else f"-{ablation}")
    assert Cell.parse(cell.id) == cell
    assert cell.weights == CELL  # it is a way of using a defence, not another one
    assert replace(cell, finetune="none").base == CELL.base


def test_a_purifier_may_stand_before_another_classifier_than_it_was_trained_with() -> None:
    """The evaluation is of the one classifier, the weights are those of the other's cell."""
    own = replace(CELL, classifier="resnet_small")
    cell = replace(CELL, trained_with="resnet_small")
    assert cell.id == f"{CELL.id}-with_resnet_small"
    assert cell.weights == own
    assert cell.bare == BARE
    assert cell.base == CELL.base  # L_org knows neither classifier
    assert cell.target("classifier") == BARE
    assert cell.target("defense") == cell
    assert cell.target("untuned") == CELL.target("untuned")
    hidden = cell.target("untransformed")
    assert hidden.id == f"{CELL.id}-with_resnet_small-no_transform"
    assert hidden.weights == own
    assert replace(cell, finetune="clean").weights == replace(own, finetune="clean")
    paper = presets.get("paper")
    assert paths.purifier(paper, cell) == paths.purifier(paper, own)
    assert paths.classifier_of(paper, cell) == paths.classifier_of(paper, CELL)
    assert paths.record(paper, cell, "table7", "classifier") != paths.record(
        paper, CELL, "table7", "classifier"
    )


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("finetune", FINETUNES)
def test_an_id_with_another_classifier_is_read_back(finetune: str, ablation: str) -> None:
    cell = replace(CELL, finetune=finetune, ablation=ablation, trained_with="wrn28_10")
    assert Cell.parse(cell.id) == cell


def test_records_of_other_cells_keep_their_keys() -> None:
    assert "trained_with" not in CELL.as_dict()
    assert replace(CELL, trained_with="x").as_dict()["trained_with"] == "x"
    fields = {name: value for name, value in CELL.as_dict().items() if name != "id"}
    assert Cell(**fields) == CELL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "with_resnet18",
        "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-s0-with_",
        "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-s0-no_noise-with_resnet34",
        "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-s0-with_a-with_b",
        "cifar10-resnet18-undefended-with_resnet34",
        "no_noise",
        "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-s0-none",
        "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-s0-no_noise-no_mask",
        "cifar10-resnet18",
        "cifar10-resnet18-defended",
        "cifar10-resnet18-deepfill-places2-rt2-adversarial-official",
        "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-3",
        "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-sX",
        "cifar10-resnet18-deepfill-places2-rt2-sometimes-official-s0",
        "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-s0-more",
        "cifar10-ResNet18-deepfill-places2-rt2-adversarial-official-s0",
        "cifar10--deepfill-places2-rt2-adversarial-official-s0",
    ],
)
def test_what_is_no_id_is_refused_with_the_form_of_one(text: str) -> None:
    with pytest.raises(AtopError, match=f"'{text}' is not a cell: expected DATASET-.*FINETUNE"):
        Cell.parse(text)


def test_the_target_of_a_grey_box_attack_is_the_bare_classifier() -> None:
    assert CELL.target("classifier") == CELL.bare == BARE
    assert CELL.target("defense") == CELL
    with pytest.raises(AtopError, match="target 'purifier' is not known; known are cl"):
        CELL.target("purifier")


def test_what_no_example_of_a_recipe_touches_is_shared() -> None:
    """And the recipes that share it differ in those examples alone."""
    cell, paper = replace(CELL, recipe="minmax"), replace(CELL, recipe="paper")
    assert cell.weights == cell.shared == cell
    assert cell.base == paper.base
    assert cell.target("untuned") == paper.target("untuned")
    assert (
        replace(cell, finetune="continued").weights == replace(paper, finetune="continued").weights
    )
    assert replace(cell, finetune="clean").shared == replace(paper, finetune="clean")
    for one, other in EQUIVALENT.items():
        for preset in map(presets.get, presets.names()):
            here, there = (
                preset.recipe(replace(CELL, recipe=name)).given() for name in (one, other)
            )
            differing = {key for key in here if here[key] != there[key]}
            assert differing == {"attack_target"}


def test_targets_of_transfer_attacks() -> None:
    assert CELL.target("untransformed").id == f"{CELL.id}-no_transform"
    assert CELL.target("untuned") == replace(CELL, finetune="none")
    assert CELL.target("untuned").weights == CELL.base
    for name in TARGETS:
        assert BARE.target(name) == BARE


def test_a_classifier_may_be_trained_in_the_purifiers_place() -> None:
    tuned = replace(BARE, transform="rt2", finetune="classifier")
    assert not tuned.purifies
    assert CELL.purifies
    path = paths.classifier_of(presets.get("paper"), tuned)
    assert path == [Path(f"results/paper/tuned/{tuned.id}.safetensors")]
    assert paths.classifier_of(presets.get("paper"), replace(tuned, ablation="no_noise")) == path
    assert paths.classifier_of(presets.get("paper"), CELL) == paths.classifier(
        presets.get("paper"), "cifar10", "resnet18"
    )


def test_l_org_knows_no_classifier() -> None:
    assert CELL.weights == CELL
    assert replace(CELL, finetune="clean").weights.classifier == "resnet18"
    for finetune in ("none", "continued"):
        shared = replace(CELL, finetune=finetune).weights
        assert shared == replace(CELL, finetune=finetune, classifier="any")
    assert CELL.base == replace(CELL, finetune="none", classifier="any")
    assert replace(CELL, finetune="continued").base == CELL.base


def test_paths_of_a_run() -> None:
    results = Path("results/paper")
    assert (
        paths.purifier(presets.get("paper"), CELL) == results / f"purifiers/{CELL.id}.safetensors"
    )
    shared = replace(CELL, finetune="none")
    assert (
        paths.purifier(presets.get("paper"), shared)
        == results / f"purifiers/{CELL.base.id}.safetensors"
    )
    assert paths.adversarial(presets.get("paper"), BARE, "pgd-10") == (
        results / "adversarial/cifar10-resnet18-undefended/pgd-10.safetensors"
    )
    record = paths.record(presets.get("paper"), CELL, "table7", "classifier")
    assert record == results / f"records/{CELL.id}/table7-classifier.json"
    state = paths.state(paths.purifier(presets.get("paper"), CELL))
    assert state == Path(f"results/state/paper/purifiers/{CELL.id}.pt")
    assert (
        len({paths.state(paths.purifier(presets.get(name), CELL)) for name in ("paper", "smoke")})
        == 2
    )


def test_where_networks_begin() -> None:
    assert paths.initial(presets.get("paper"), CELL) == Path(
        "results/checkpoints/deepfill-places2.pth"
    )
    scratch = replace(CELL, init="scratch")
    made = Path("results/paper/pretrained/cifar10-deepfill.safetensors")
    assert paths.initial(presets.get("paper"), scratch) == made
    given = Path("workflow/resources/deepfill.safetensors")
    assert paths.initial(presets.get("smoke"), scratch) == given
    (f,) = paths.classifier(presets.get("paper"), "cifar10", "resnet18")
    assert f == Path("results/paper/classifiers/cifar10-resnet18.safetensors")
    (f,) = paths.classifier(presets.get("smoke"), "cifar10_slice", "resnet_small")
    assert f == Path("workflow/resources/resnet_small.safetensors")


def test_a_file_of_a_package() -> None:
    import pydantic

    found = paths.resolve("package:pydantic/some/file.pt")
    assert found == Path(pydantic.__file__).parent / "some" / "file.pt"
    with pytest.raises(AtopError, match="the package nonsense is not installed"):
        paths.resolve("package:nonsense/file.pt")
