"""Training on the page: which stages, their curves, the authors' log beside them, their cost."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.suite_records import write_suite
from support.synthetic_records import cell_of

from atop.core.errors import AtopError
from atop.core.files import read_json, write_json
from atop.experiment import config, paths
from atop.experiment.tables import table
from atop.reporting.aggregate import aggregate
from atop.reporting.report import authors_log, charts, cost, curves, figures, trained
from atop.reporting.report.making import report
from atop.reporting.report.trained import Stage

HELD_OUT = {"step": 0, "clean": 40.0, "fgsm": 30.0, "pgd-20": 20.0}
OFFICIAL = authors_log.CELL


def stage(**changes: Any) -> Stage:
    plain: dict[str, Any] = {
        "cell": "a", "file": Path("a.json"), "history": [], "batch": 8, "points": [], "held_out": 0,
        "provenance": {}, "logged": False,
    }  # fmt: skip
    return Stage(**{**plain, **changes})


def lines_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The data of a chart."""
    (lines,) = spec["datasets"].values()
    return lines  # type: ignore[no-any-return]


def write_training(results: Path, weights: Path, batch: int, **changes: Any) -> None:
    """What a training says, beside weights that are not there."""
    about: dict[str, Any] = {"settings": {"budget": {"batch": batch}}, "provenance": {"wall_s": 7}}
    path = results / weights.relative_to(paths.RESULTS).with_suffix(".json")
    write_json(path, {**about, "history": [{"step": 3, "loss": 2.0}], **changes})


def test_losses_are_thinned_and_accuracies_stand_apart() -> None:
    history: list[dict[str, Any]] = [{"step": i, "l1": float(i % 2)} for i in range(1, 601)]
    said = curves.curves([stage(history=history, points=[HELD_OUT], held_out=64)])
    accuracy, loss = map(lines_of, said["charts"])
    assert [(one["name"], one["value"]) for one in accuracy] == [
        ("clean", 40.0), ("fgsm", 30.0), ("pgd-20", 20.0),
    ]  # fmt: skip
    assert [one["value"] for one in loss] == [0.5] * curves.POINTS
    assert (loss[0]["pictures"], loss[-1]["pictures"]) == (44, 4764)  # middles of ten steps
    assert said["held_out"] == [64]
    assert said["log"] == ""
    nothing = curves.curves([stage()])
    assert nothing.pop("untold") == ["a"]
    assert not any(nothing.values())


def test_stages_with_losses_alone_are_named_and_files_of_all() -> None:
    made = {"history": [{"step": 1, "l1": 0.1}], "provenance": {"wall_s": 1}}
    plain = stage(cell="plain", file=Path("results/p.json"), **made)
    watched = stage(cell="watched", points=[HELD_OUT], held_out=64, **made)
    said = curves.curves([plain, watched, stage(cell="untold")])
    assert (said["unwatched"], said["untold"]) == (["plain"], ["untold"])
    assert said["files"] == [("plain", "results/p.json"), ("watched", "a.json")]


def test_a_classifiers_accuracy_is_of_training_and_in_percent() -> None:
    history = [{"step": 5, "loss": 2.0, "accuracy": 0.25}]
    accuracy, loss = curves.curves([stage(history=history, batch=64)])["charts"]
    (one,) = lines_of(accuracy)
    assert (one["name"], one["value"], one["pictures"]) == ("in training", 25.0, 320)
    assert [(one["name"], one["value"]) for one in lines_of(loss)] == [("loss", 2.0)]


def test_the_first_stage_shown_is_one_with_held_out_pictures() -> None:
    plain = stage(history=[{"step": 5, "loss": 2.0, "accuracy": 0.25}])
    watched = stage(cell="b", history=[{"step": 1, "l1": 0.1}], points=[HELD_OUT], held_out=64)
    logged = replace(watched, cell="c", logged=True)
    for chart in curves.curves([plain, watched, logged])["charts"]:
        (pick,) = (one for one in chart["params"] if "bind" in one)
        assert pick["value"] == "c"
        assert pick["bind"]["options"] == ["c", "b", "a"]


def test_the_log_is_drawn_thinner_on_the_same_axis() -> None:
    said = curves.curves([stage(points=[HELD_OUT], held_out=64, logged=True)])
    (chart,) = said["charts"]
    log = [line for line in lines_of(chart) if line["source"] == charts.LOG]
    assert len(log) == 3 * 63
    clean = [line for line in log if line["name"] == "clean"]
    assert clean[0] | {"cell": ""} == {
        "cell": "", "pictures": 5000, "name": "clean", "value": 82.81,
        "told": "authors' log: clean", "source": "authors' log",
    }  # fmt: skip
    line, points = chart["layer"]
    for channel, thin, thick in (("strokeWidth", 1, 2), ("opacity", 0.8, 1)):
        condition = line["encoding"][channel]["condition"]
        assert (condition["value"], line["encoding"][channel]["value"]) == (thin, thick)
        assert condition["test"] == 'datum.source === "authors\' log"'
    assert points["encoding"]["size"]["value"] == 50
    assert "clean picture" in said["log"]
    assert "drawn anew each epoch" in said["log"]


def test_only_what_a_stage_measured_has_a_reference() -> None:
    some = {"step": 0, "clean": 40.0, "bim": 30.0}
    (chart,) = curves.curves([stage(points=[some], held_out=64, logged=True)])["charts"]
    assert {one["name"] for one in lines_of(chart) if one["source"] == charts.LOG} == {"clean"}
    assert curves.curves([stage(history=[{"step": 1, "l1": 0.1}], logged=True)])["log"] == ""


def test_the_log_holds_the_epochs_of_the_notebook() -> None:
    with authors_log.FILE.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["epoch"]) for line in lines] == list(range(1, 64))
    assert all(int(line["images"]) == 8 * 625 * int(line["epoch"]) for line in lines)
    means = {
        (2, 10): {"clean": 86.3, "fgsm": 86.2, "bim": 84.0, "eot-pgd": 83.6, "pgd-20": 83.1},
        (10, 30): {"clean": 88.3, "fgsm": 88.7, "bim": 86.0, "eot-pgd": 85.6, "pgd-20": 85.0},
        (30, 63): {"clean": 88.0, "fgsm": 89.5, "bim": 86.4, "eot-pgd": 85.6, "pgd-20": 85.5},
    }
    for (first, last), told in means.items():
        for name, mean in told.items():
            found = [float(line[name]) for line in lines[first:last]]
            assert sum(found) / len(found) == pytest.approx(mean, abs=0.06)


def test_the_log_is_of_one_recipe() -> None:
    assert authors_log.matches(OFFICIAL, "paper")
    assert authors_log.matches(replace(OFFICIAL, seed=3), "paper")
    assert OFFICIAL.id == "cifar10-resnet18-deepfill-places2-rt2-adversarial-official-s0"


@pytest.mark.parametrize(
    "word",
    [
        {"dataset": "cifar100"}, {"classifier": "resnet34"}, {"purifier": "dmae"},
        {"init": "scratch"}, {"transform": "rt1"}, {"finetune": "clean"}, {"recipe": "paper"},
    ],
    ids=lambda word: next(iter(word)),
)  # fmt: skip
def test_one_other_word_is_another_recipe(word: dict[str, str]) -> None:
    assert not authors_log.matches(replace(OFFICIAL, **word), "paper")


@pytest.mark.parametrize("preset", sorted({"smoke", "native"}))
def test_a_preset_that_is_not_comparable_has_no_log(preset: str) -> None:
    assert not authors_log.matches(OFFICIAL, preset)
    assert authors_log.FILE.name not in {path.name for path in figures.parts(preset)}


def test_the_papers_page_is_made_of_the_log_too() -> None:
    assert Path("tables/paper/training_log.csv") in figures.parts("paper")


def test_stages_are_those_behind_the_records(tmp_path: Path) -> None:
    made = table("table7", "paper", recipe="official")
    cell = write_suite(tmp_path, made, "rt2-atop", rate=0.85)
    write_training(tmp_path, paths.trained("paper", "cifar10", "resnet18"), 128)
    curve = {"curve": {"n": 512, "points": [HELD_OUT | {"step": 100}]}}
    write_training(tmp_path, paths.purifier("paper", cell), 8, **curve)
    found = trained.stages([aggregate(table=made, results=tmp_path)], tmp_path)
    assert [(one.cell, one.batch, one.held_out, one.logged) for one in found] == [
        ("cifar10-resnet18-undefended", 128, 0, False),
        (cell.base.id, 0, 0, False),
        (cell.id, 8, 512, True),
    ]
    text = report(tables=[made], results=tmp_path, out=tmp_path).read_text()
    assert "on 512 pictures held out of training here" in text
    assert "Networks that were trained before, embedded or public ones, may have seen them" in text
    bare = cell.bare.id
    assert f'held-out pictures were logged by <span class="id">{bare}</span>:' in text
    for name, folder in ((bare, "classifiers/cifar10-resnet18"), (cell.id, f"purifiers/{cell.id}")):
        drawn = text.partition(f'id="trained-{name}"')[2].partition("</dd>")[0]
        assert f"results/paper/{folder}.json" in drawn
        assert f'<a href="#trained-{name}">its training</a>' in text
    assert authors_log.ABOUT.replace("'", "&#39;") in text
    assert f'Without a log here: <span class="id">{cell.base.id}</span>.' in text


def test_a_stage_on_the_way_to_the_logged_one_has_no_log(tmp_path: Path) -> None:
    made = table("table7", "paper", recipe="official")
    write_suite(tmp_path, made, "rt2-none", rate=0.85)
    found = trained.stages([aggregate(table=made, results=tmp_path)], tmp_path)
    assert [one.logged for one in found] == [False, False]


def test_given_weights_have_no_training_here(tmp_path: Path) -> None:
    made = table("table7", "smoke")
    cell = write_suite(tmp_path, made, "rt2-atop", rate=0.5)
    found = trained.stages([aggregate(table=made, results=tmp_path)], tmp_path)
    assert [one.cell for one in found] == [cell.base.id, cell.id]


def test_trained_tuned_and_pretrained_networks_are_stages(tmp_path: Path) -> None:
    robust, strict = table("figure4", "smoke"), table("strict", "native")
    (key,) = (row.key for row in robust.rows if row.key.startswith("c-rt2"))
    attacked = write_suite(tmp_path, robust, key, rate=0.5)
    write_suite(tmp_path, strict, "tuned-classifier", rate=0.5)
    write_suite(tmp_path, strict, "rt2-atop", rate=0.5)
    told = {
        one.table.preset: [stage.cell for stage in trained.stages([one], tmp_path)]
        for one in (aggregate(table=made, results=tmp_path) for made in (robust, strict))
    }
    assert told["smoke"] == [attacked.bare.id, attacked.base.id, attacked.id]
    tuned, whole = (cell_of(strict, row) for row in ("tuned-classifier", "rt2-atop"))
    pretrained = "cifar10-deepfill-pretrained"
    assert told["native"] == [pretrained, whole.base.id, whole.id, tuned.id]


def test_a_training_without_settings_names_its_file(tmp_path: Path) -> None:
    made = table("table7", "smoke")
    cell = write_suite(tmp_path, made, "rt2-atop", rate=0.5)
    weights = tmp_path / paths.purifier("smoke", cell).relative_to(paths.RESULTS)
    for broken in ({"history": []}, []):
        write_json(weights.with_suffix(".json"), broken)
        with pytest.raises(AtopError, match=r"s0\.json: no settings\.budget\.batch; delete it"):
            trained.stages([aggregate(table=made, results=tmp_path)], tmp_path)


CELL = "cifar10_slice-resnet_small-identity-none-rt2-none-paper-s0"
BARE = "cifar10_slice-resnet_small-undefended"


def step(seconds: float, memory: float = 50, **more: Any) -> dict[str, Any]:
    about = {"wall_s": seconds, "peak_memory_mb": memory, "device": "cpu"}
    return {"provenance": about, **more}


def attacked(cell: str, target: str, **made: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The path and record of a cell, on clean pictures and under attacks with their accounts."""
    evaluations = [{"attack": "clean", "budget": {"method": "clean"}, "adversarial": None}]
    for entry, account in made.items():
        budget = config.attack(config.entry(entry, "")[0], "smoke")
        evaluations.append({"attack": entry, "budget": budget, "adversarial": account})
    content = {"preset": "smoke", "cell": {"id": cell}, "target": target}
    path = Path("results/smoke/records") / cell / f"some-{target}.json"
    return path, content | step(7, 900) | {"evaluations": evaluations}


def paid(results: Path, *records: tuple[Path, dict[str, Any]], stages: Any = ()) -> dict[str, Any]:
    """Costs by cell, with `total` and `uncounted`."""
    said = cost.cost(dict(records), list(stages), results)
    return said | {line["cell"]: line for line in said["lines"]}


def test_each_step_is_paid_once(tmp_path: Path) -> None:
    cells = (CELL, f"{CELL}-no_noise", BARE)
    records = [attacked(cell, "classifier", fgsm=step(100)) for cell in cells[:2]]
    stages = [stage(cell=CELL, **step(1000, 20)), stage(cell=BARE, **step(30, 20))]
    said = paid(tmp_path, *records, stages=stages)
    assert [said[cell]["all"] for cell in cells] == [1007, 7, 130]
    assert [said[cell]["training"] for cell in cells] == [1000, 0, 30]
    assert [said[cell]["trained"] for cell in cells] == [True, False, True]
    assert said[CELL]["memory"] == 900
    assert (said["total"]["all"], said["total"]["memory"]) == (1144, 900)
    assert said["uncounted"] == 0
    anchor = f"{CELL}-some-classifier"
    assert said[CELL]["records"] == [(anchor, "some-classifier")]
    assert said[BARE]["records"] == [(anchor, f"{CELL}/some-classifier")]  # it has none of its own


def test_sets_of_other_victims_are_paid_at_theirs(tmp_path: Path) -> None:
    made = {"strict-pgd": step(1), "strict-pgd@classifier": step(10)}
    said = paid(tmp_path, attacked(CELL, "defense", **made))
    assert (said[CELL]["attacks"], said[BARE]["attacks"]) == (1, 10)


def test_all_attacks_of_a_chain_are_paid(tmp_path: Path) -> None:
    folder = tmp_path / "smoke" / "adversarial" / CELL
    for place, seconds in ((1, 1), (2, 20), (3, 300)):
        write_json(folder / f"aa-linf-standard-{place}.json", step(seconds))
    write_json(folder / "aa-linf-rand-1.json", step(1e6))  # of no record
    same = {"sha256": "0"}  # strict-square may change no picture of strict-pgd
    made = {"aa-linf-standard": step(4000), "strict-pgd": step(5e4, **same)}
    made |= {"strict-square": step(6e5, **same)}
    said = paid(tmp_path, attacked(CELL, "defense", **made))
    assert said[CELL]["attacks"] == 654321
    assert said["uncounted"] == 0


def test_without_their_accounts_earlier_attacks_are_said_not_to_count(tmp_path: Path) -> None:
    made = {"aa-linf-standard": step(4000), "strict-pgd": step(50), "strict-square": step(6)}
    said = paid(tmp_path, attacked(CELL, "defense", **made))
    assert said[CELL]["attacks"] == 4056
    assert said["uncounted"] == 3


def test_what_was_resumed_is_marked(tmp_path: Path) -> None:
    made = {"fgsm": step(4, resumed=True)}
    said = paid(tmp_path, attacked(CELL, "defense", **made), attacked(BARE, "defense"))
    assert said[CELL]["least"] == said["total"]["least"] == {"attacks", "all"}
    assert said[BARE]["least"] == set()


def test_a_training_that_was_resumed_is_marked(tmp_path: Path) -> None:
    made = table("table7", "smoke")
    cell = write_suite(tmp_path, made, "rt2-atop", rate=0.5)
    write_training(tmp_path, paths.purifier("smoke", cell), 16, resumed=True)
    write_training(tmp_path, paths.purifier("smoke", cell.base), 16, resumed=False)
    whole = aggregate(table=made, results=tmp_path)
    found = trained.stages([whole], tmp_path)
    said = cost.cost(whole.records, found, tmp_path)
    least = {line["cell"]: line["least"] for line in said["lines"]}
    assert (least[cell.id], least[cell.base.id]) == ({"training", "all"}, set())


def test_costs_on_the_page_are_marked_and_linked(tmp_path: Path) -> None:
    made = table("table2", "smoke")
    cell = write_suite(tmp_path, made, "ours-wrn28", rate=0.5)
    (path,) = tmp_path.rglob("*-defense.json")
    content = read_json(path)
    last = next(one for one in content["evaluations"] if one["attack"] == "aa-linf-standard")
    made_in = content["provenance"] | {"wall_s": 5400.0}
    last["adversarial"] |= {"resumed": True, "provenance": made_in}
    write_json(path, content)
    text = report(tables=[made], results=tmp_path, out=tmp_path).read_text()
    part = text.partition('<h2 id="cost">')[2].partition("</section>")[0]
    assert part.count('data-order="5400.0">at least 1.5000') == 2  # of the cell and of all
    assert f'<a href="#{cell.id}-{path.stem}">{path.stem}</a>' in part
    assert "Not counted: 6 adversarial sets" in part  # three before it, both of rand, PGD's
