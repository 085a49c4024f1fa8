"""Suspicions of gradients and outputs: images left alone, and flags of AutoAttack."""

from support.attack_records import PGD, SQUARE, entry, names, record, text

from atop.results.checks import findings


def test_images_that_an_attack_left_alone() -> None:
    assert text(record(entry("fgsm", 40, unmoved=0.25))).startswith("fgsm left 25.0%")
    assert findings(record(entry("clean", 90, unmoved=1.0))) == []
    assert findings(record(entry("cw-100", 10, unmoved=0.5))) == []  # it has no ball to use
    for searched in (SQUARE, {**PGD, "after": "fgsm"}, {**PGD, "restarts": 2}):
        assert findings(record(entry("found", 10, searched, unmoved=0.5))) == []


def test_flags_of_autoattack_are_passed_on_once() -> None:
    flags = ["random!", "zero gradients"]
    found = record(entry("a", 9, SQUARE, flags=flags), entry("b", 9, SQUARE, flags=flags[:1]))
    assert names(found) == ["autoattack-flag", "autoattack-flag"]
    assert [one["text"] for one in findings(found)] == ["random! (a, b)", "zero gradients (a)"]
