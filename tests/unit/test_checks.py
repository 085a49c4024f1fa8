"""Each suspicion fires where it should and stays silent where it should, on records by hand."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from atop.experiment import config
from atop.results.checks import findings
from atop.results.checks.convergence import REACHED, STILL_FALLING
from atop.results.checks.reading import MIN_POINTS, read

N = 100
LINF = {"norm": "Linf", "eps": "8/255"}
PGD = {"method": "pgd", **LINF, "steps": 20}
STRICT = {**PGD, "steps": 200, "eot": 20, "pixels": "native"}
SQUARE = {"method": "autoattack", "attack": "square", **LINF}
NAMED: dict[str, dict[str, Any]] = {
    "clean": {"method": "clean"},
    "fgsm": {"method": "fgsm", **LINF},
    "noise": {"method": "noise", **LINF},
    "pgd-10": {**PGD, "steps": 10},
    "pgd-20": PGD,
    "pgd-1000": {**PGD, "steps": 1000},
    "cw-100": {"method": "cw", "norm": "L2", "steps": 100},
}
SOUND = {"clean": 90, "noise": 85, "fgsm": 40, "pgd-10": 20, "pgd-20": 18}
Record = dict[str, Any]


def entry(
    name: str, right: int | list[int], budget: Record | None = None, *, n: int = N, **more: Any
) -> Record:
    """An attack that leaves so many of the first examples right; a list holds one count a draw."""
    counts = right if isinstance(right, list) else [right]
    return {
        "attack": name,
        "budget": NAMED[name] if budget is None else budget,
        "predictions": [[1] * count + [0] * (n - count) for count in counts],
        "distance": {"unmoved": more.pop("unmoved", 0.0)},
        "adversarial": more or None,
    }


def record(
    *entries: Record, grey: bool = False, undefended: bool = False, n: int = N, **more: Any
) -> Record:
    purifier, transform = ("identity", "none") if undefended else ("deepfill", "rt2")
    return {
        "cell": {"id": "cell", "purifier": purifier, "transform": transform},
        "target": "classifier" if grey else "defense",
        "victim": "bare" if grey else "cell",
        "labels": [1] * n,
        "evaluations": list(entries),
        **more,
    }


def made(right: dict[str, int], *, n: int = N, **more: Any) -> Record:
    return record(*(entry(name, count, n=n) for name, count in right.items()), n=n, **more)


def names(record: Record) -> list[str]:
    return [one["name"] for one in findings(record)]


def text(record: Record) -> str:
    (one,) = findings(record)
    return one["text"]


def test_a_sound_record_raises_no_suspicion() -> None:
    assert findings(made(SOUND)) == []
    assert findings(made(SOUND, grey=True)) == []


def test_records_of_before_probes_and_targets_can_be_read() -> None:
    old = made({"fgsm": 10, "pgd-20": 20}, grey=True)
    del old["target"]
    for one in old["evaluations"]:
        del one["adversarial"]
        one["distance"]["unmoved"] = None
    assert names(old) == ["single-step-beats-iterative"]


def test_a_single_step_that_beats_many_is_read_by_target() -> None:
    right = {"fgsm": 10, "pgd-20": 20}
    assert names(made(right)) == ["single-step-beats-iterative"]
    assert text(made(right)) == "fgsm (10.0%) beats pgd-20 (20.0%): a sign of masked gradients"
    assert names(made(right, grey=True)) == ["single-step-beats-iterative"]
    assert "no evidence of masking" in text(made(right, grey=True))
    other = {**NAMED["fgsm"], "eps": "16/255"}
    assert findings(record(entry("far", 10, other), entry("pgd-20", 20))) == []


def test_accuracy_is_a_mean_over_draws_and_few_examples_are_counted() -> None:
    several = record(entry("fgsm", [8, 12]), entry("pgd-20", [15, 25]))
    assert "fgsm (10.0%) beats pgd-20 (20.0%)" in text(several)
    assert text(made({"fgsm": 5, "pgd-20": 30}, n=50)).endswith("masked gradients, n = 50")


def test_small_differences_are_chance() -> None:
    at = int(MIN_POINTS)
    for low, high in (("fgsm", "pgd-20"), ("pgd-10", "pgd-20")):
        assert findings(made({low: 10, high: 10 + at})) == []
        assert len(findings(made({low: 10, high: 11 + at}))) == 1
        assert findings(made({low: 1, high: 4}, n=20)) == []  # 15 points, of 20 examples
        assert len(findings(made({low: 1, high: 11}, n=20))) == 1


def test_more_steps_that_do_not_help_are_told_in_order_of_steps() -> None:
    right = {"pgd-1000": 40, "pgd-10": 20, "pgd-20": 19}
    assert names(made(right)) == ["more-steps-do-not-help"]
    assert text(made(right)) == "pgd-1000 (40.0%) is weaker than pgd-20 (19.0%)"
    assert "transfer less" in text(made(right, grey=True))


@pytest.mark.parametrize(
    ("changes", "compared"),
    [
        ({}, True),
        ({"step_size": "1/255"}, True),
        ({"scaled": {"steps": 2000}}, True),
        ({"examples": 64}, True),
        ({"pixels": None}, True),
        ({"loss": "cross_entropy", "average": "loss", "eot": 1, "through": "exact"}, True),
        ({"eps": "4/255"}, False),
        ({"norm": "L2"}, False),
        ({"eot": 4}, False),
        ({"pixels": "native"}, False),
        ({"loss": "margin"}, False),
        ({"through": "bpda"}, False),
    ],
)
def test_steps_are_compared_where_all_else_is_equal(changes: Record, compared: bool) -> None:
    long = entry("long", 40, {**NAMED["pgd-1000"], **changes})
    assert names(record(entry("pgd-20", 20), long)) == ["more-steps-do-not-help"] * compared
    elsewhere = entry("pgd-1000@classifier", 40, NAMED["pgd-1000"])
    assert findings(record(entry("pgd-20", 20), elsewhere)) == []


def test_pictures_that_an_attack_left_alone() -> None:
    assert text(record(entry("fgsm", 40, unmoved=0.25))).startswith("fgsm left 25.0%")
    assert findings(record(entry("clean", 90, unmoved=1.0))) == []
    assert findings(record(entry("cw-100", 10, unmoved=0.5))) == []  # it has no ball to use
    for searched in (SQUARE, {**PGD, "after": "fgsm"}, {**PGD, "restarts": 2}):
        assert findings(record(entry("found", 10, searched, unmoved=0.5))) == []


def test_an_attack_that_leaves_its_undefended_victim_standing_is_weak() -> None:
    right = {"fgsm": 60, "pgd-10": 30, "pgd-20": 28, "pgd-1000": 5}
    assert names(made(right, undefended=True))[:2] == ["weak-attack", "weak-attack"]
    assert "pgd-10 (30.0%)" in findings(made(right, undefended=True))[0]["text"]
    assert names(made({"pgd-10": 30})) == []
    near = entry("near", 60, {**PGD, "eps": "2/255"})  # of a sweep, the last radius counts
    assert findings(record(near, entry("pgd-20", 0), undefended=True)) == []
    tuned = made({"pgd-10": 30}, undefended=True)
    tuned["cell"]["transform"] = "rt2"  # f trained on t(x) is a defence
    assert findings(tuned) == []


def test_square_from_clean_images_is_held_against_the_best_gradient() -> None:
    alone = {**SQUARE, "after": "clean", "pixels": "native"}
    weak, best = entry("weak", 60, {**STRICT, "eot": 5}), entry("strict", 30, STRICT)

    def beside(right: int, budget: Record = alone, **more: Any) -> Record:
        return record(entry("clean", 90), weak, best, entry("square", right, budget), **more)

    found = [one for one in findings(beside(24)) if one["name"] == "black-box-beats-white-box"]
    assert [one["text"] for one in found] == [
        "square (24.0%) began from clean images and beats the best gradient attack, strict (30.0%)"
    ]
    black = "black-box-beats-white-box"
    assert black in names(beside(24, {**SQUARE, "pixels": "native"}))  # went on from nothing
    assert black not in names(beside(25))
    assert black not in names(beside(24, grey=True))
    assert black not in names(beside(24, {**alone, "eps": "16/255"}))
    assert black not in names(beside(24, {**alone, "after": "strict"}))  # had its help
    assert black not in names(beside(24, {**alone, "after": "aa-3"}))


def test_pgd_that_beats_autoattack_in_the_same_ball() -> None:
    apgd = {"method": "autoattack", "attack": "apgd-dlr", **LINF, "pixels": "native"}
    chain = {**SQUARE, "pixels": "native", "after": "aa-3"}
    ends = entry("rand", 40, apgd), entry("standard", 45, chain, attacked=45)
    assert text(record(*ends, entry("pgd", 30, STRICT))) == (
        "pgd (30.0%) beats AutoAttack in the same ball, rand (40.0%): that is no worst case"
    )
    two = entry("weak", 39, {**STRICT, "loss": "margin"}), entry("pgd", 30, STRICT)
    assert names(record(*ends, *two)) == ["pgd-beats-autoattack"]  # once, the best
    for silent in (
        entry("pgd", 39, STRICT),  # one point
        entry("pgd", 20, {**STRICT, "eps": "16/255"}),
        entry("pgd", 20, {**STRICT, "norm": "L2"}),
        entry("pgd", 20, {**STRICT, "pixels": None}),
        entry("pgd@untuned", 39, STRICT),
    ):
        assert findings(record(*ends, silent)) == []
    alone = {**chain, "after": "clean"}  # Square by itself, or after PGD, is not AutoAttack
    mine = entry("clean", 90), entry("s", 60, alone), entry("pgd", 20, STRICT)
    assert findings(record(*mine)) == []
    assert (
        findings(record(entry("pgd", 20, STRICT), entry("s", 19, {**chain, "after": "pgd"}))) == []
    )
    assert findings(record(*ends, entry("pgd", 20, STRICT), grey=True)) == []


def test_an_attack_that_goes_on_and_finds_nothing_repeats_another() -> None:
    after = {**SQUARE, "after": "strict"}
    strict = entry("strict", [30, 28], STRICT)
    assert names(record(strict, entry("s", [30, 28], after))) == ["found-nothing"]
    assert text(record(strict, entry("s", [30, 28], after))) == (
        "s found nothing: its outcomes repeat strict"
    )
    assert findings(record(strict, entry("s", [30, 27], after))) == []
    assert findings(record(strict, entry("s", [30, 28], STRICT))) == []  # went on from nothing
    chain = {**STRICT, "after": "s"}
    longer = record(strict, entry("s", [30, 28], after), entry("t", [30, 28], chain))
    assert [one["text"][-6:] for one in findings(longer)] == ["strict", "strict"]
    ended = record(strict, entry("s", [30, 27], after), entry("t", [30, 27], chain))
    assert text(ended) == "t found nothing: its outcomes repeat s"
    nothing = entry("strict", 0, STRICT), entry("s", 0, after)
    assert findings(record(*nothing)) == []
    elsewhere = entry("s@untuned", [30, 28], after)
    assert findings(record(strict, elsewhere)) == []
    reading = read(record(strict, elsewhere, entry("s", [30, 28], after)))
    found = [reading.repeats(one) for one in reading.entries]
    assert [one and one.name for one in found] == [None, None, "strict"]


def test_square_at_the_end_of_autoattack_has_autoattacks_own_rule() -> None:
    after = {**SQUARE, "after": "aa-3"}
    assert "gradient attacks (41.0%)" in text(record(entry("aa", 40, after, attacked=41)))
    for silent in (
        entry("aa", 40, after, attacked=40),
        entry("aa", 40, after),
        entry("aa", 40, SQUARE, attacked=60),  # went on from nothing
        entry("aa", [40, 42], after, attacked=60),  # counts draws that one lucky draw left
    ):
        assert findings(record(silent)) == []
    assert findings(record(entry("aa", 40, after, attacked=60), grey=True)) == []
    cut = entry("pgd-20", 40, {**PGD, "examples": N})  # aa was made on more examples than N
    assert findings(record(entry("aa", 40, after, attacked=400), cut)) == []
    both = {**after, "examples": N}
    assert len(findings(record(entry("aa", 40, both, attacked=60), cut))) == 1


@pytest.mark.parametrize("victim", ["classifier", "untransformed", "untuned"])
def test_transfer_that_beats_the_white_box(victim: str) -> None:
    white, weak = entry("strict", 40, STRICT), entry(f"strict@{victim}", 60, STRICT)
    strong = entry(f"strict@{victim}", 20, STRICT)
    assert names(record(white, strong)) == ["transfer-beats-white-box"]
    assert f"strict@{victim} (20.0%) beats strict (40.0%)" in text(record(white, strong))
    assert findings(record(white, weak)) == []
    assert findings(record(entry("other", 40, STRICT), strong)) == []


def test_bpda_that_beats_exact_gradients() -> None:
    exact, bpda = entry("exact", 40, STRICT), {**STRICT, "through": "bpda"}
    assert names(record(exact, entry("bpda", 20, bpda))) == ["bpda-beats-exact-gradients"]
    assert findings(record(exact, entry("bpda", 60, bpda))) == []
    assert findings(record(exact, entry("bpda", 20, {**bpda, "steps": 10}))) == []


def test_what_knowing_the_draw_is_worth() -> None:
    few, many = entry("few", 60, {**STRICT, "eot": 5}), entry("many", [40, 50], STRICT)
    fixed = entry("fixed", 10, {**STRICT, "through": "fixed", "eot": 1})
    (found,) = (one for one in findings(record(few, many, fixed)) if "stoch" in one["name"])
    assert "fixed (10.0%), which knows the draw, against many (45.0%)" in found["text"]
    assert "carry 35.0 points [2" in found["text"]
    level = entry("fixed", 40, {**STRICT, "through": "fixed", "eot": 1})
    assert findings(record(many, level)) == []


def test_noise_that_does_what_the_best_attack_does() -> None:
    noise = entry("noise", 41)
    for attack in ("pgd-20", "fgsm"):
        assert names(record(noise, entry(attack, 40))) == ["noise-as-harmful-as-attack"]
    assert findings(record(entry("noise", 42), entry("pgd-20", 40))) == []
    assert findings(record(noise, entry("pgd-20", 40), entry("fgsm", 38))) == []
    assert findings(record(entry("noise", 5), entry("pgd-20", 5))) == []  # nothing is left
    others = {"eps": "4/255"}, {"pixels": 48}, {"through": "bpda"}, SQUARE
    for other in ({**PGD, **changes} for changes in others):
        assert findings(record(noise, entry("other", 40, other))) == []
    near = entry("near", 88, {**NAMED["noise"], "eps": "2/255"})
    assert findings(record(near, entry("p", 88, {**PGD, "eps": "2/255"}), noise)) == []
    assert findings(record(noise, entry("pgd-20", 40), grey=True)) == []


def test_an_attack_that_raises_accuracy_leaks_labels() -> None:
    assert names(made({"clean": 80, "fgsm": 90})) == ["label-leaking"]
    assert text(made({"clean": 80, "fgsm": 90})).startswith("fgsm (90.0%) leaves more than clean")
    assert "grey box" in text(made({"clean": 80, "pgd-20": 90}, grey=True))
    assert findings(made({"clean": 80, "fgsm": 82})) == []  # two examples may be chance
    assert findings(made({"clean": 80, "noise": 90})) == []
    native = entry("clean-native", 95, {"method": "clean", "pixels": "native"})
    large = entry("clean", 80), entry("fgsm", 90)
    assert names(record(native, *large)) == ["label-leaking"]
    own = entry("fgsm-native", 90, {**NAMED["fgsm"], "pixels": "native"})
    assert findings(record(native, entry("clean", 80), own)) == []


@pytest.mark.parametrize("key", ["eot", "steps"])
def test_a_budget_whose_last_enlargement_still_lowers_accuracy(key: str) -> None:
    def sweep(*right: int, n: int = N, **more: Any) -> Record:
        rows = [{**STRICT, key: 10 * 2**k} for k in range(len(right))]
        made = [entry(f"at-{row[key]}", k, row, n=n) for row, k in zip(rows, right, strict=True)]
        return record(*reversed(made), n=n, **more)

    found = sweep(80, 60, 50)
    assert names(found) == [f"{key}-not-converged"]
    assert text(found).startswith("at-40 (50.0%) still takes 10.0 points [3.4, 16.2] off at-20")
    slack = int(10 * STILL_FALLING)
    assert findings(sweep(800, 600, 600 - slack, n=1000)) == []
    assert len(findings(sweep(800, 600, 599 - slack, n=1000))) == 1
    assert findings(sweep(80, 60)) != []
    assert findings(sweep(40, 30, 28, n=64)) == []  # 3.1 points, of 64 examples
    assert names(sweep(100, 30, 19, n=1000)) == [f"{key}-not-converged"]  # a third of 3%
    assert findings(sweep(100, 30, 20, n=1000)) == []
    assert findings(sweep(80, 60, 50, grey=True)) == []


def test_draws_and_steps_may_only_help_together() -> None:
    def joint(*right: int, **changes: Any) -> Record:
        rows = [{**STRICT, "eot": 10 * 2**k, "steps": 100 * 2**k} for k in range(len(right))]
        rows[-1] |= changes
        return record(*(entry(f"at-{k}", count, rows[k]) for k, count in enumerate(right)))

    assert names(joint(80, 60, 50)) == ["joint-not-converged"]
    assert text(joint(80, 60, 50)).startswith("at-2 (50.0%) still takes 10.0 points")
    assert findings(joint(80, 60, 58)) == []
    assert findings(joint(80, 60)) == []  # two may as well be two attacks
    assert findings(joint(80, 60, 50, steps=500)) == []
    assert findings(joint(80, 60, 50, loss="margin")) == []
    assert findings({**joint(80, 60, 50), "victim": "bare"}) == []


def test_a_sweep_of_radii_ends_at_zero() -> None:
    def sweep(*right: int | list[int], **more: Any) -> Record:
        rows = [{**STRICT, "eps": f"{2**k}/255"} for k in range(len(right))]
        made = [entry(f"at-{k}", count, rows[k]) for k, count in enumerate(right)]
        return record(*reversed(made), **more)

    assert names(sweep(90, 40, 3)) == ["eps-sweep-does-not-reach-zero"]
    assert text(sweep(90, 40, 3)) == "at-2 (3.0%) ends the sweep at eps 4/255 and not at 0%"
    assert findings(sweep(90, 40, int(REACHED))) == []
    assert len(findings(sweep(90, 40, [1, 2]))) == 1
    assert findings(sweep(90, 40)) == []
    assert findings(sweep(90, 40, 3, grey=True)) == []


def test_flags_of_autoattack_are_passed_on_once() -> None:
    flags = ["random!", "zero gradients"]
    found = record(entry("a", 9, SQUARE, flags=flags), entry("b", 9, SQUARE, flags=flags[:1]))
    assert names(found) == ["autoattack-flag", "autoattack-flag"]
    assert [one["text"] for one in findings(found)] == ["random! (a, b)", "zero gradients (a)"]


def suite(name: str, preset: str, right: dict[str, float], n: int = 64) -> Record:
    """A record of a suite of the config: shares of examples left, else 0.5; a chain finds a bit."""
    row = config.suite(name, preset)
    entries = []
    for one in row.attacks:
        budget = config.attack(config.entry(one, "")[0], preset)
        chain = [one.get("after") for one in config.chain(budget, preset)]
        follows = sum(name in row.attacks for name in chain if name != "clean-native")
        usual = 0.8 if one.startswith("clean") or "noise" in one else 0.5 - 0.02 * follows
        count = round(n * right.get(one, usual))
        entries.append(entry(one, count, budget, n=n, attacked=n // 2))
    return record(*entries, n=n)


@pytest.mark.parametrize(
    ("name", "right", "expected"),
    [
        ("strict", {}, []),
        ("strict", {"strict-square": 0.2}, []),
        ("strict", {"strict-square-clean": 0.2}, ["black-box-beats-white-box"]),
        ("strict", {"aa-linf-standard": 0.4}, ["black-box-beats-white-box"]),
        ("strict", {"strict-pgd-margin": 0.3}, ["pgd-beats-autoattack"]),
        ("strict", {"strict-pgd-decay": 0.5}, ["found-nothing"]),
        ("strict", {"strict-pgd@untuned": 0.2}, ["transfer-beats-white-box"]),
        ("strict", {"strict-bpda": 0.2}, ["bpda-beats-exact-gradients"]),
        ("strict", {"strict-fixed": 0.2}, ["stochasticity-carries-robustness"]),
        ("strict", {"strict-noise": 0.46}, ["noise-as-harmful-as-attack"]),
        ("strict", {"stadv-100": 0.2}, ["steps-not-converged"]),
        ("strict", {"strict-pgd-margin": 1.0}, ["label-leaking"]),
        ("convergence", {"conv-eps-128": 0}, []),
        ("convergence", {}, ["eps-sweep-does-not-reach-zero"]),
        ("convergence", {"conv-eps-128": 0, "conv-eot-50": 0.3}, ["eot-not-converged"]),
        ("convergence", {"conv-eps-128": 0, "strict-pgd": 0.3}, ["steps-not-converged"]),
        ("convergence", {"conv-eps-128": 0, "conv-joint-double": 0.3}, ["joint-not-converged"]),
        ("convergence", {"conv-eps-128": 0, "conv-steps-50": 0.7}, ["more-steps-do-not-help"]),
    ],
)
def test_the_suites_of_the_config(name: str, right: dict[str, float], expected: list[str]) -> None:
    assert names(suite(name, "paper", right)) == expected


@pytest.mark.parametrize("preset", config.presets())
def test_every_suite_can_be_read(preset: str) -> None:
    draw = np.random.default_rng(0)
    for name, row in config.read("attacks")["suites"].items():
        for _ in range(5):
            right = {one: float(draw.uniform()) for one in row["attacks"]}
            assert all(one["text"] for one in findings(suite(name, preset, right)))


def test_checks_do_not_import_torch() -> None:
    code = "import sys, atop.results.checks; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
