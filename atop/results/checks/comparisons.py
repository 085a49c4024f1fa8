"""Checks of one attack against another that should be weaker (Carlini et al., 2019, section 5)."""

import math
from collections.abc import Iterable
from itertools import pairwise

from atop.results.checks.reading import MIN_POINTS, Entry, Findings, Reading, clearly, series

SQUARE_POINTS = 0.2
"""AutoAttack's own rule: Square should lower accuracy by at most this after its other attacks."""

NOISE_POINTS = 1.0
"""An attack should beat noise in the same ball by more than this."""


def single_step_beats_iterative(reading: Reading) -> Findings:
    """FGSM lowers accuracy further than PGD in the same ball."""
    why = (
        "grey box: one-step examples transfer better, no evidence of masking"
        if reading.grey_box
        else "a sign of masked gradients"
    )
    for fgsm in _method(reading, "fgsm"):
        for pgd in _method(reading, "pgd"):
            alike = (fgsm.target, fgsm.ball) == (pgd.target, pgd.ball)
            if alike and clearly(pgd, fgsm, MIN_POINTS):
                text = f"{fgsm} beats {pgd}: {why}{reading.sample_size}"
                yield "single-step-beats-iterative", text


def more_steps_do_not_help(reading: Reading) -> Findings:
    """PGD with more steps leaves clearly more accuracy than with fewer, all else equal."""
    for group in series(_method(reading, "pgd"), "steps"):
        for fewer, more in pairwise(group):
            if clearly(more, fewer, MIN_POINTS):
                text = f"{more} is weaker than {fewer}"
                if reading.grey_box:
                    text += ": grey box, longer attacks fit the bare classifier and transfer less"
                yield "more-steps-do-not-help", text + reading.sample_size


def weak_attack(reading: Reading) -> Findings:
    """An iterative white-box attack leaves accuracy to the bare classifier."""
    for pgd in _largest(_method(reading, "pgd")) if reading.undefended else ():
        if pgd.accuracy > MIN_POINTS:
            text = f"{pgd} does not break the classifier that it attacks, which has no defence"
            yield "weak-attack", text + reading.sample_size


def black_box_beats_white_box(reading: Reading) -> Findings:
    """Square from clean images beats every attack with exact gradients in the same ball.

    Those gradients were misleading (Athalye et al., 2018a). Square that starts from a gradient
    attack cannot show this: that attack contributes to its result.
    """
    if reading.grey_box:
        return
    exact = [entry for entry in reading.own if entry.exact]
    for square in reading.own:
        white = _strongest(exact, square.ball) if square.black_box else None
        if white and reading.starts_clean(square) and clearly(white, square, MIN_POINTS):
            text = f"{square} started from clean images and beats the best gradient attack, {white}"
            yield "black-box-beats-white-box", text + reading.sample_size


def pgd_beats_autoattack(reading: Reading) -> Findings:
    """PGD with EOT beats the strongest of AutoAttack's chains in the same ball.

    AutoAttack is then no worst case: its accuracy is too favourable to the defence.
    """
    if reading.grey_box:
        return
    attacks = _method(reading, "pgd")
    ends = [entry for entry in reading.own if _ends_autoattack(reading, entry)]
    for ball in dict.fromkeys(pgd.ball for pgd in attacks):
        pgd, end = _strongest(attacks, ball), _strongest(ends, ball)
        if pgd and end and clearly(end, pgd, NOISE_POINTS):
            text = f"{pgd} beats AutoAttack in the same ball, {end}, which is no worst case then"
            yield "pgd-beats-autoattack", text + reading.sample_size


def _ends_autoattack(reading: Reading, entry: Entry) -> bool:
    """Return whether an entry ends a chain of AutoAttack; Square in another place does not."""
    if entry.budget["method"] != "autoattack":
        return False
    before = entry.budget.get("after")
    return not (entry.black_box and (before is None or before in reading.by_attack))


def found_nothing(reading: Reading) -> Findings:
    """An attack that starts from another's images changed no outcome, so it repeats its accuracy.

    At 0% there was nothing to find.
    """
    for entry in reading.own:
        before = reading.repeats(entry)
        if before and before.accuracy > 0:
            yield "found-nothing", f"{entry.name} found nothing: its outcomes repeat {before.name}"


def square_lowers_autoattack(reading: Reading) -> Findings:
    """AutoAttack's own rule about Square, for chains of which a record has only the end."""
    if reading.grey_box:
        return
    for square in reading.own:
        left = _accuracy_before(reading, square) if _ends_autoattack(reading, square) else None
        if square.black_box and left is not None and left - square.accuracy > SQUARE_POINTS:
            text = f"{square} lowers what AutoAttack's gradient attacks leave ({left:.1f}%)"
            yield "black-box-beats-white-box", text + reading.sample_size


def _accuracy_before(reading: Reading, square: Entry) -> float | None:
    """Accuracy before Square by the metadata of its set; None where they do not give it.

    They count the examples that are correct under some draw, which is the accuracy only where
    draws agree; and examples of the set, which is longer than the record if another entry cuts it.
    """
    lengths = [entry.budget.get("examples", math.inf) for entry in reading.entries]
    uncut = square.budget.get("examples", math.inf) == min(lengths)
    agree = (square.correct == square.correct[0]).all()
    if uncut and agree and "attacked" in square.metadata:
        return 100 * float(square.metadata["attacked"]) / reading.n
    return None


def transfer_beats_white_box(reading: Reading) -> Findings:
    """Images made on a part of the defence, or before AToP, beat those made on the defence."""
    if reading.grey_box:
        return
    attacks = {entry.attack: entry for entry in reading.own}
    for transferred in (entry for entry in reading.entries if entry.target != reading.target):
        white = attacks.get(transferred.attack)
        if white and clearly(white, transferred, MIN_POINTS):
            text = f"{transferred} beats {white} on the whole defence: a sign of masked gradients"
            yield "transfer-beats-white-box", text + reading.sample_size


def bpda_beats_exact_gradients(reading: Reading) -> Findings:
    """Replacing t and g by the identity makes a better attack than their exact gradients."""
    for bpda in _through(reading, "bpda"):
        for exact in _exact_like(reading, bpda, "through"):
            if clearly(exact, bpda, MIN_POINTS):
                text = f"{bpda} beats {exact}: exact gradients mislead or are wrong"
                yield "bpda-beats-exact-gradients", text + reading.sample_size


def stochasticity_carries_robustness(reading: Reading) -> Findings:
    """An attacker who knows the draw lowers accuracy much further.

    This is no suspicion: it shows where robustness comes from. Liu et al. (arXiv 2404.14309) find
    the same for diffusion purification.
    """
    for fixed in _through(reading, "fixed"):
        others = _exact_like(reading, fixed, "through", "eot")
        fresh = max(others, key=lambda entry: entry.number("eot"), default=None)
        if fresh and (gap := clearly(fresh, fixed, MIN_POINTS)):
            text = (
                f"{fixed} knows the draw, {fresh} does not: random draws "
                f"carry {gap.value:.1f} points [{gap.low:.1f}, {gap.high:.1f}]"
            )
            yield "stochasticity-carries-robustness", text + reading.sample_size


def noise_is_as_harmful(reading: Reading) -> Findings:
    """Noise lowers accuracy as much as the best gradient attack in its ball, which has not won."""
    if reading.grey_box:
        return
    exact = [entry for entry in reading.own if entry.exact]
    for noise in _largest(_method(reading, "noise")):
        best = _strongest(exact, noise.ball)
        if best and best.accuracy > MIN_POINTS and noise.accuracy - best.accuracy <= NOISE_POINTS:
            text = f"{noise} does as much as the best attack in the same ball, {best}"
            yield "noise-as-harmful-as-attack", text + reading.sample_size


def attack_raises_accuracy(reading: Reading) -> Findings:
    """Label leaking (Kurakin et al., 2017): the perturbation reveals the label it was made with.

    No attack should raise accuracy at all, so the interval alone decides. A gradient in the wrong
    direction has the same effect.
    """
    cleans = {entry.budget.get("pixels"): entry for entry in _method(reading, "clean")}
    for entry in (entry for entry in reading.entries if entry.attacks and cleans):
        clean = cleans.get(entry.budget.get("pixels"), next(iter(cleans.values())))
        if clearly(entry, clean, 0):
            text = f"{entry} leaves more accuracy than {clean}: its images reveal the label"
            if reading.grey_box:
                text += "; grey box, where images that resemble those of the training do so"
            yield "label-leaking", text + reading.sample_size


def _method(reading: Reading, method: str) -> list[Entry]:
    """Entries of a method on the suite's own target, with exact gradients if it has any."""
    return [
        entry
        for entry in reading.own
        if entry.budget["method"] == method and entry.budget["through"] == "exact"
    ]


def _strongest(entries: Iterable[Entry], ball: tuple[object, ...]) -> Entry | None:
    """The entry that leaves the least accuracy in a ball."""
    inside = (entry for entry in entries if entry.ball == ball)
    return min(inside, key=lambda entry: entry.accuracy, default=None)


def _largest(entries: list[Entry]) -> list[Entry]:
    """Entries except those that differ from another only in a smaller radius."""
    return [
        entry
        for entry in entries
        if not any(
            other.without("eps") == entry.without("eps")
            and other.number("eps") > entry.number("eps")
            for other in entries
        )
    ]


def _through(reading: Reading, surrogate: str) -> list[Entry]:
    """Entries through a surrogate of the defence."""
    return [entry for entry in reading.entries if entry.budget["through"] == surrogate]


def _exact_like(reading: Reading, entry: Entry, *keys: str) -> list[Entry]:
    """Entries with exact gradients whose budgets differ from an entry's only in some keys."""
    alike = entry.without(*keys)
    return [exact for exact in reading.entries if exact.exact and exact.without(*keys) == alike]


CHECKS = (
    single_step_beats_iterative,
    more_steps_do_not_help,
    weak_attack,
    black_box_beats_white_box,
    pgd_beats_autoattack,
    found_nothing,
    square_lowers_autoattack,
    transfer_beats_white_box,
    bpda_beats_exact_gradients,
    stochasticity_carries_robustness,
    noise_is_as_harmful,
    attack_raises_accuracy,
)
