"""Costs on the page: each step is paid once, by the cell that it is of."""

from pathlib import Path
from typing import Any

from support.suite_records import write_suite
from support.trained_stages import stage, write_training

from atop.core.files import read_json, write_json
from atop.experiment import paths, presets
from atop.experiment.settings.attacks import parse_entry
from atop.experiment.tables import table
from atop.reporting.aggregate import aggregate
from atop.reporting.report import cost, trained
from atop.reporting.report.making import report

CELL = "cifar10_slice-resnet_small-identity-none-rt2-none-paper-s0"
BARE = "cifar10_slice-resnet_small-undefended"


def step(seconds: float, memory: float = 50, **more: Any) -> dict[str, Any]:
    about = {"wall_s": seconds, "peak_memory_mb": memory, "device": "cpu"}
    return {"provenance": about, **more}


def attacked(cell: str, target: str, **made: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The path and record of a cell, on clean images and under attacks with their accounts."""
    evaluations = [{"attack": "clean", "budget": {"method": "clean"}, "adversarial": None}]
    for entry, account in made.items():
        budget = presets.get("smoke").attack(parse_entry(entry, "").attack).given()
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


def test_sets_of_other_targets_are_paid_at_theirs(tmp_path: Path) -> None:
    made = {"strict-pgd": step(1), "strict-pgd@classifier": step(10)}
    said = paid(tmp_path, attacked(CELL, "defense", **made))
    assert (said[CELL]["attacks"], said[BARE]["attacks"]) == (1, 10)


def test_all_attacks_of_a_chain_are_paid(tmp_path: Path) -> None:
    folder = tmp_path / "smoke" / "adversarial" / CELL
    for place, seconds in ((1, 1), (2, 20), (3, 300)):
        write_json(folder / f"aa-linf-standard-{place}.json", step(seconds))
    write_json(folder / "aa-linf-rand-1.json", step(1e6))  # of no record
    same = {"sha256": "0"}  # strict-square may change no image of strict-pgd
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
    made = table("table7", presets.get("smoke"))
    cell = write_suite(tmp_path, made, "rt2-atop", rate=0.5)
    write_training(tmp_path, paths.purifier(presets.get("smoke"), cell), 16, resumed=True)
    write_training(tmp_path, paths.purifier(presets.get("smoke"), cell.base), 16, resumed=False)
    whole = aggregate(table=made, results=tmp_path)
    found = trained.stages([whole], tmp_path)
    said = cost.cost(whole.records, found, tmp_path)
    least = {line["cell"]: line["least"] for line in said["lines"]}
    assert (least[cell.id], least[cell.base.id]) == ({"training", "all"}, set())


def test_costs_on_the_page_are_marked_and_linked(tmp_path: Path) -> None:
    made = table("table2", presets.get("smoke"))
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
