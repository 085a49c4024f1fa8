"""Training on the page: which stages, their curves, and the authors' log beside them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.suite_records import write_suite
from support.synthetic_records import cell_of
from support.trained_stages import stage, write_training

from atop.core.errors import AtopError
from atop.core.files import write_json
from atop.experiment import paths, presets
from atop.experiment.tables import table
from atop.reporting.aggregate import aggregate
from atop.reporting.report import authors_log, charts, curves, trained
from atop.reporting.report.making import report

VALIDATION = {"step": 0, "clean": 40.0, "fgsm": 30.0, "pgd-20": 20.0}


def lines_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The data of a chart."""
    (lines,) = spec["datasets"].values()
    return lines  # type: ignore[no-any-return]


def test_losses_are_thinned_and_accuracies_stand_apart() -> None:
    history: list[dict[str, Any]] = [{"step": i, "l1": float(i % 2)} for i in range(1, 601)]
    said = curves.curves([stage(history=history, points=[VALIDATION], validation=64)])
    accuracy, loss = map(lines_of, said["charts"])
    assert [(one["name"], one["value"]) for one in accuracy] == [
        ("clean", 40.0), ("fgsm", 30.0), ("pgd-20", 20.0),
    ]  # fmt: skip
    assert [one["value"] for one in loss] == [0.5] * curves.POINTS
    assert (loss[0]["images"], loss[-1]["images"]) == (44, 4764)  # middles of ten steps
    assert said["validation"] == [64]
    assert said["log"] == ""
    nothing = curves.curves([stage()])
    assert nothing.pop("without_log") == ["a"]
    assert not any(nothing.values())


def test_stages_with_losses_alone_are_named_and_files_of_all() -> None:
    made = {"history": [{"step": 1, "l1": 0.1}], "provenance": {"wall_s": 1}}
    plain = stage(cell="plain", file=Path("results/p.json"), **made)
    watched = stage(cell="watched", points=[VALIDATION], validation=64, **made)
    said = curves.curves([plain, watched, stage(cell="untold")])
    assert (said["without_accuracy"], said["without_log"]) == (["plain"], ["untold"])
    assert said["files"] == [("plain", "results/p.json"), ("watched", "a.json")]


def test_a_classifiers_accuracy_is_of_training_and_in_percent() -> None:
    history = [{"step": 5, "loss": 2.0, "accuracy": 0.25}]
    accuracy, loss = curves.curves([stage(history=history, batch=64)])["charts"]
    (one,) = lines_of(accuracy)
    assert (one["name"], one["value"], one["images"]) == ("in training", 25.0, 320)
    assert [(one["name"], one["value"]) for one in lines_of(loss)] == [("loss", 2.0)]


def test_the_first_stage_shown_is_one_with_a_validation_split() -> None:
    plain = stage(history=[{"step": 5, "loss": 2.0, "accuracy": 0.25}])
    watched = stage(cell="b", history=[{"step": 1, "l1": 0.1}], points=[VALIDATION], validation=64)
    logged = replace(watched, cell="c", logged=True)
    for chart in curves.curves([plain, watched, logged])["charts"]:
        (pick,) = (one for one in chart["params"] if "bind" in one)
        assert pick["value"] == "c"
        assert pick["bind"]["options"] == ["c", "b", "a"]


def test_the_log_is_drawn_thinner_on_the_same_axis() -> None:
    said = curves.curves([stage(points=[VALIDATION], validation=64, logged=True)])
    (chart,) = said["charts"]
    log = [line for line in lines_of(chart) if line["source"] == charts.LOG]
    assert len(log) == 3 * 63
    clean = [line for line in log if line["name"] == "clean"]
    assert clean[0] | {"cell": ""} == {
        "cell": "", "images": 5000, "name": "clean", "value": 82.81,
        "label": "authors' log: clean", "source": "authors' log",
    }  # fmt: skip
    line, points = chart["layer"]
    for channel, thin, thick in (("strokeWidth", 1, 2), ("opacity", 0.8, 1)):
        condition = line["encoding"][channel]["condition"]
        assert (condition["value"], line["encoding"][channel]["value"]) == (thin, thick)
        assert condition["test"] == 'datum.source === "authors\' log"'
    assert points["encoding"]["size"]["value"] == 50
    assert "clean image" in said["log"]
    assert "drawn anew each epoch" in said["log"]


def test_only_what_a_stage_measured_has_a_reference() -> None:
    some = {"step": 0, "clean": 40.0, "bim": 30.0}
    (chart,) = curves.curves([stage(points=[some], validation=64, logged=True)])["charts"]
    assert {one["name"] for one in lines_of(chart) if one["source"] == charts.LOG} == {"clean"}
    assert curves.curves([stage(history=[{"step": 1, "l1": 0.1}], logged=True)])["log"] == ""


def test_stages_are_those_behind_the_records(tmp_path: Path) -> None:
    made = table("table7", presets.get("paper"), recipe="official")
    cell = write_suite(tmp_path, made, "rt2-atop", rate=0.85)
    write_training(tmp_path, paths.trained(presets.get("paper"), "cifar10", "resnet18"), 128)
    curve = {"curve": {"n": 512, "points": [VALIDATION | {"step": 100}]}}
    write_training(tmp_path, paths.purifier(presets.get("paper"), cell), 8, **curve)
    found = trained.stages([aggregate(table=made, results=tmp_path)], tmp_path)
    assert [(one.cell, one.batch, one.validation, one.logged) for one in found] == [
        ("cifar10-resnet18-undefended", 128, 0, False),
        (cell.base.id, 0, 0, False),
        (cell.id, 8, 512, True),
    ]
    text = report(tables=[made], results=tmp_path, out=tmp_path).read_text()
    assert "on 512 images of the validation split" in text
    assert (
        "Networks that were not trained here (embedded or public) may have seen these images"
        in text
    )
    bare = cell.bare.id
    assert f'validation split were logged by <span class="id">{bare}</span>:' in text
    for name, folder in ((bare, "classifiers/cifar10-resnet18"), (cell.id, f"purifiers/{cell.id}")):
        drawn = text.partition(f'id="trained-{name}"')[2].partition("</dd>")[0]
        assert f"results/paper/{folder}.json" in drawn
        assert f'<a href="#trained-{name}">its training</a>' in text
    assert authors_log.ABOUT.replace("'", "&#39;") in text
    assert f'Without a log here: <span class="id">{cell.base.id}</span>.' in text


def test_a_stage_on_the_way_to_the_logged_one_has_no_log(tmp_path: Path) -> None:
    made = table("table7", presets.get("paper"), recipe="official")
    write_suite(tmp_path, made, "rt2-none", rate=0.85)
    found = trained.stages([aggregate(table=made, results=tmp_path)], tmp_path)
    assert [one.logged for one in found] == [False, False]


def test_given_weights_have_no_training_here(tmp_path: Path) -> None:
    made = table("table7", presets.get("smoke"))
    cell = write_suite(tmp_path, made, "rt2-atop", rate=0.5)
    found = trained.stages([aggregate(table=made, results=tmp_path)], tmp_path)
    assert [one.cell for one in found] == [cell.base.id, cell.id]


def test_trained_tuned_and_pretrained_networks_are_stages(tmp_path: Path) -> None:
    robust, strict = table("figure4", presets.get("smoke")), table("strict", presets.get("native"))
    (key,) = (row.key for row in robust.rows if row.key.startswith("c-rt2"))
    attacked = write_suite(tmp_path, robust, key, rate=0.5)
    write_suite(tmp_path, strict, "tuned-classifier", rate=0.5)
    write_suite(tmp_path, strict, "rt2-atop", rate=0.5)
    told = {
        one.table.preset.name: [stage.cell for stage in trained.stages([one], tmp_path)]
        for one in (aggregate(table=made, results=tmp_path) for made in (robust, strict))
    }
    assert told["smoke"] == [attacked.bare.id, attacked.base.id, attacked.id]
    tuned, whole = (cell_of(strict, row) for row in ("tuned-classifier", "rt2-atop"))
    pretrained = "cifar10-deepfill-pretrained"
    assert told["native"] == [pretrained, whole.base.id, whole.id, tuned.id]


def test_a_training_without_settings_names_its_file(tmp_path: Path) -> None:
    made = table("table7", presets.get("smoke"))
    cell = write_suite(tmp_path, made, "rt2-atop", rate=0.5)
    weights = tmp_path / paths.purifier(presets.get("smoke"), cell).relative_to(paths.RESULTS)
    for broken in ({"history": []}, []):
        write_json(weights.with_suffix(".json"), broken)
        with pytest.raises(AtopError, match=r"s0\.json: no settings\.budget\.batch; delete it"):
            trained.stages([aggregate(table=made, results=tmp_path)], tmp_path)
