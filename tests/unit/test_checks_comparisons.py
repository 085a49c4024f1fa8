"""Suspicions of one attack beside another: each fires where it should and only there."""

from typing import Any

import pytest
from support.attack_records import (
    LINF,
    NAMED,
    PGD,
    SQUARE,
    STRICT,
    N,
    Record,
    entry,
    made,
    names,
    record,
    text,
)

from atop.results.checks import findings
from atop.results.checks.reading import MIN_POINTS, read


def test_a_single_step_that_beats_many_is_read_by_target() -> None:
    right = {"fgsm": 10, "pgd-20": 20}
    assert names(made(right)) == ["single-step-beats-iterative"]
    assert text(made(right)) == "fgsm (10.0%) beats pgd-20 (20.0%): a sign of masked gradients"
    assert names(made(right, grey=True)) == ["single-step-beats-iterative"]
    assert "no evidence of masking" in text(made(right, grey=True))
    other = {**NAMED["fgsm"], "eps": "16/255"}
    assert findings(record(entry("far", 10, other), entry("pgd-20", 20))) == []


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
    for defense in ("resnet18_at", "gowal2020_wrn28", "a_module_of_somebody"):
        trained = made({"pgd-10": 30}, undefended=True)
        trained["cell"]["classifier"] = defense
        assert findings(trained) == []


def test_square_from_clean_images_is_held_against_the_best_gradient() -> None:
    alone = {**SQUARE, "after": "clean", "pixels": "native"}
    weak, best = entry("weak", 60, {**STRICT, "eot": 5}), entry("strict", 30, STRICT)

    def beside(right: int, budget: Record = alone, **more: Any) -> Record:
        return record(entry("clean", 90), weak, best, entry("square", right, budget), **more)

    found = [one for one in findings(beside(24)) if one["name"] == "black-box-beats-white-box"]
    assert [one["text"] for one in found] == [
        "square (24.0%) started from clean images and beats the best gradient attack, "
        "strict (30.0%)"
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
        "pgd (30.0%) beats AutoAttack in the same ball, rand (40.0%), which is no worst case then"
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
    assert "gradient attacks leave (41.0%)" in text(record(entry("aa", 40, after, attacked=41)))
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
    assert "fixed (10.0%) knows the draw, many (45.0%) does not" in found["text"]
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
    assert text(made({"clean": 80, "fgsm": 90})).startswith("fgsm (90.0%) leaves more accuracy")
    assert "grey box" in text(made({"clean": 80, "pgd-20": 90}, grey=True))
    assert findings(made({"clean": 80, "fgsm": 82})) == []  # two examples may be chance
    assert findings(made({"clean": 80, "noise": 90})) == []
    native = entry("clean-native", 95, {"method": "clean", "pixels": "native"})
    large = entry("clean", 80), entry("fgsm", 90)
    assert names(record(native, *large)) == ["label-leaking"]
    own = entry("fgsm-native", 90, {**NAMED["fgsm"], "pixels": "native"})
    assert findings(record(native, entry("clean", 80), own)) == []
