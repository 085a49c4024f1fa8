"""Each suspicion fires where it should and stays silent where it should."""

from typing import Any

import pytest

from atop.checks import MIN_POINTS, accuracy, findings

N = 100
BUDGETS = {
    "clean": {"method": "clean"},
    "fgsm": {"method": "fgsm", "eps": "8/255"},
    "pgd-10": {"method": "pgd", "eps": "8/255", "steps": 10},
    "pgd-20": {"method": "pgd", "eps": "8/255", "steps": 20},
    "pgd-1000": {"method": "pgd", "eps": "8/255", "steps": 1000},
    "cw-100": {"method": "cw", "steps": 100},
}
SOUND = {"clean": 90, "fgsm": 40, "pgd-10": 20, "pgd-20": 15}


def record(
    right: dict[str, int],
    *,
    grey: bool = False,
    purifier: str = "deepfill",
    unmoved: dict[str, float] | None = None,
) -> dict[str, Any]:
    """A record in which an attack leaves so many of 100 examples right."""
    return {
        "cell": {"id": "cell", "purifier": purifier},
        "victim": "bare" if grey else "cell",
        "labels": [1] * N,
        "evaluations": [
            {
                "attack": attack,
                "budget": BUDGETS[attack],
                "predictions": [[1] * count + [0] * (N - count)],
                "distance": {"unmoved": (unmoved or {}).get(attack, 0.0)},
            }
            for attack, count in right.items()
        ],
    }


def names(found: list[dict[str, str]]) -> list[str]:
    return [one["name"] for one in found]


def test_a_sound_record_raises_no_suspicion() -> None:
    assert findings(record(SOUND)) == []
    assert findings(record(SOUND, grey=True)) == []


def test_accuracy_is_a_mean_over_draws() -> None:
    made = record({"fgsm": 40})
    made["evaluations"][0]["predictions"].append([1] * 60 + [0] * 40)
    assert accuracy(made, "fgsm") == pytest.approx(50)
    with pytest.raises(KeyError):
        accuracy(made, "pgd-10")


def test_a_single_step_that_beats_many_is_read_by_target() -> None:
    white = findings(record({"fgsm": 10, "pgd-20": 20}))
    assert names(white) == ["single-step-beats-iterative"]
    assert white[0]["text"] == "fgsm (10.0%) beats pgd-20 (20.0%): a sign of masked gradients"
    grey = findings(record({"fgsm": 10, "pgd-20": 20}, grey=True))
    assert names(grey) == ["single-step-beats-iterative"]
    assert "transfer" in grey[0]["text"]
    assert "no evidence of masking" in grey[0]["text"]


def test_small_differences_are_chance() -> None:
    at = int(MIN_POINTS)
    assert findings(record({"fgsm": 10, "pgd-20": 10 + at})) == []
    assert len(findings(record({"fgsm": 10, "pgd-20": 11 + at}))) == 1
    assert findings(record({"pgd-10": 10, "pgd-20": 10 + at})) == []
    assert len(findings(record({"pgd-10": 10, "pgd-20": 11 + at}))) == 1


def test_more_steps_that_do_not_help_are_told_in_order_of_steps() -> None:
    found = findings(record({"pgd-1000": 40, "pgd-10": 20, "pgd-20": 15}))
    assert names(found) == ["more-steps-do-not-help"]
    assert found[0]["text"] == "pgd-1000 (40.0%) is weaker than pgd-20 (15.0%)"


def test_pictures_that_an_attack_left_alone() -> None:
    found = findings(record(SOUND, unmoved={"fgsm": 0.25, "clean": 1.0}))
    assert names(found) == ["zero-gradient"]
    assert found[0]["text"].startswith("fgsm left 25.0%")
    assert findings(record({"cw-100": 10}, unmoved={"cw-100": 0.5})) == []  # it has no ball to use


def test_an_attack_that_leaves_its_undefended_victim_standing_is_weak() -> None:
    found = findings(record({"fgsm": 60, "pgd-10": 30, "pgd-20": 2}, purifier="identity"))
    assert names(found) == ["weak-attack"]
    assert found[0]["text"].startswith("pgd-10 leaves 30.0%")
    assert findings(record({"pgd-10": 30}, purifier="deepfill")) == []


def test_findings_come_together() -> None:
    made = record({"fgsm": 10, "pgd-10": 20, "pgd-20": 40}, unmoved={"pgd-10": 0.1})
    assert names(findings(made)) == [
        "single-step-beats-iterative",
        "single-step-beats-iterative",
        "more-steps-do-not-help",
        "zero-gradient",
    ]
