"""One attack against another: a weaker one that hurts more (Carlini et al., 2019, section 5)."""

import math
from itertools import pairwise

from atop.results.checks.reading import MIN_POINTS, Entry, Found, Reading, clearly, series

SQUARE_POINTS = 0.2
"""AutoAttack's own rule: its gradient attacks should have left Square no more than this."""

NOISE_POINTS = 1.0
"""An attack that is worth its steps beats noise in the same ball by more than this."""


def single_step_beats_iterative(reading: Reading) -> Found:
    """FGSM lowers accuracy further than PGD in the same ball."""
    why = (
        "grey box: one-step examples transfer better, no evidence of masking"
        if reading.grey_box
        else "a sign of masked gradients"
    )
    for fgsm in _method(reading, "fgsm"):
        for pgd in _method(reading, "pgd"):
            alike = (fgsm.victim, fgsm.ball) == (pgd.victim, pgd.ball)
            if alike and clearly(pgd, fgsm, MIN_POINTS):
                yield "single-step-beats-iterative", f"{fgsm} beats {pgd}: {why}{reading.few}"


def more_steps_do_not_help(reading: Reading) -> Found:
    """PGD with more steps leaves clearly more accuracy than with fewer, all else equal."""
    for group in series(_method(reading, "pgd"), "steps"):
        for fewer, more in pairwise(group):
            if clearly(more, fewer, MIN_POINTS):
                text = f"{more} is weaker than {fewer}"
                if reading.grey_box:
                    text += ": grey box, longer attacks fit the bare classifier and transfer less"
                yield "more-steps-do-not-help", text + reading.few


def victim_survives(reading: Reading) -> Found:
    """An iterative white-box attack leaves the bare classifier standing: it is a weak attack."""
    for pgd in _largest(_method(reading, "pgd")) if reading.undefended else ():
        if pgd.accuracy > MIN_POINTS:
            text = f"{pgd} leaves that much of the undefended classifier that it attacks"
            yield "weak-attack", text + reading.few


def black_box_beats_white_box(reading: Reading) -> Found:
    """Square from the clean images gets further than any exact gradient in the same ball.

    Those gradients were misleading (Athalye et al., 2018a). Square that goes on from a gradient
    attack cannot show it: what it lowers, it lowers with that attack's help.
    """
    if reading.grey_box:
        return
    for square in (one for one in reading.own if one.black_box and reading.began_clean(one)):
        rivals = [one for one in reading.own if one.exact and one.ball == square.ball]
        white = min(rivals, key=lambda one: one.accuracy, default=None)
        if white and clearly(white, square, MIN_POINTS):
            text = f"{square} began from clean images and beats the best gradient attack, {white}"
            yield "black-box-beats-white-box", text + reading.few


def pgd_beats_autoattack(reading: Reading) -> Found:
    """PGD with EOT leaves less than the best end of AutoAttack's chains in the same ball.

    AutoAttack is then no worst case: its number says too much for the defence.
    """
    if reading.grey_box:
        return
    ends = [one for one in reading.own if _ends_autoattack(reading, one)]
    best: dict[tuple[object, ...], Entry] = {}
    for pgd in _method(reading, "pgd"):
        if pgd.ball not in best or pgd.accuracy < best[pgd.ball].accuracy:
            best[pgd.ball] = pgd
    for ball, pgd in best.items():
        inside = [one for one in ends if one.ball == ball]
        end = min(inside, key=lambda one: one.accuracy, default=None)
        if end and clearly(end, pgd, NOISE_POINTS):
            text = f"{pgd} beats AutoAttack in the same ball, {end}: that is no worst case"
            yield "pgd-beats-autoattack", text + reading.few


def _ends_autoattack(reading: Reading, one: Entry) -> bool:
    """Whether it ends a chain of AutoAttack's, and is not Square by itself or after another."""
    if one.budget["method"] != "autoattack":
        return False
    before = one.budget.get("after")
    return not (one.black_box and (before is None or before in reading.held))


def found_nothing(reading: Reading) -> Found:
    """An attack that goes on from another set changed no outcome of it, so its number is another's.

    Where nothing was left there was nothing to find.
    """
    for one in reading.own:
        before = reading.repeats(one)
        if before and before.accuracy > 0:
            yield "found-nothing", f"{one.name} found nothing: its outcomes repeat {before.name}"


def square_lowers_autoattack(reading: Reading) -> Found:
    """The rule of AutoAttack, for its chain of which a record holds the end alone."""
    if reading.grey_box:
        return
    for square in (one for one in reading.own if one.black_box):
        left = _left_to_square(reading, square)
        if left is None or not _ends_autoattack(reading, square):
            continue
        if left - square.accuracy > SQUARE_POINTS:
            text = f"{square} went on from AutoAttack's gradient attacks ({left:.1f}%)"
            yield "black-box-beats-white-box", text + reading.few


def _left_to_square(reading: Reading, square: Entry) -> float | None:
    """Accuracy before Square, from the account of its set; None where that does not say.

    It counts examples that some draw still classifies rightly, which is accuracy only where draws
    agree; and those of the set, which is longer than the record if another entry cuts it.
    """
    lengths = [one.budget.get("examples", math.inf) for one in reading.entries]
    whole = square.budget.get("examples", math.inf) == min(lengths)
    agree = (square.correct == square.correct[0]).all()
    if whole and agree and "attacked" in square.account:
        return 100 * float(square.account["attacked"]) / reading.n
    return None


def transfer_beats_white_box(reading: Reading) -> Found:
    """Pictures made on a part of the defence, or before AToP, hurt more than those made on it."""
    if reading.grey_box:
        return
    attacks = {one.attack: one for one in reading.own}
    for transferred in (one for one in reading.entries if one.victim != reading.target):
        white = attacks.get(transferred.attack)
        if white and clearly(white, transferred, MIN_POINTS):
            text = f"{transferred} beats {white}, which had the whole defence: a sign of masking"
            yield "transfer-beats-white-box", text + reading.few


def bpda_beats_exact_gradients(reading: Reading) -> Found:
    """Taking t and g for the identity makes a better attack than their exact gradients."""
    for bpda in _through(reading, "bpda"):
        for exact in _exact_like(reading, bpda, "through"):
            if clearly(exact, bpda, MIN_POINTS):
                text = f"{bpda} beats {exact}: exact gradients mislead or are broken"
                yield "bpda-beats-exact-gradients", text + reading.few


def stochasticity_carries_robustness(reading: Reading) -> Found:
    """An attacker who knows the draw gets much further: no suspicion, but where robustness is from.

    Liu et al. (arXiv 2404.14309) find so of diffusion purification.
    """
    for fixed in _through(reading, "fixed"):
        others = _exact_like(reading, fixed, "through", "eot")
        fresh = max(others, key=lambda one: one.number("eot"), default=None)
        if fresh and (gap := clearly(fresh, fixed, MIN_POINTS)):
            text = (
                f"{fixed}, which knows the draw, against {fresh}, which does not: random draws "
                f"carry {gap.value:.1f} points [{gap.low:.1f}, {gap.high:.1f}]"
            )
            yield "stochasticity-carries-robustness", text + reading.few


def noise_is_as_harmful(reading: Reading) -> Found:
    """The best gradient attack in a ball does no more than noise there, and does not succeed."""
    if reading.grey_box:
        return
    for noise in _largest(_method(reading, "noise")):
        rivals = [one for one in reading.own if one.exact and one.ball == noise.ball]
        best = min(rivals, key=lambda one: one.accuracy, default=None)
        if best is None or best.accuracy <= MIN_POINTS:
            continue
        if noise.accuracy - best.accuracy <= NOISE_POINTS:
            text = f"{noise} does no less than the best attack in the same ball, {best}"
            yield "noise-as-harmful-as-attack", text + reading.few


def attack_raises_accuracy(reading: Reading) -> Found:
    """Label leaking (Kurakin et al., 2017): the perturbation tells the label it was made with.

    No attack should raise accuracy at all, so that the interval alone decides. A gradient that
    points the wrong way does it too.
    """
    clean = {one.budget.get("pixels"): one for one in _method(reading, "clean")}
    for one in (one for one in reading.entries if one.attacks and clean):
        start = clean.get(one.budget.get("pixels"), next(iter(clean.values())))
        if clearly(one, start, 0):
            text = f"{one} leaves more than {start}: its pictures tell the label"
            if reading.grey_box:
                text += "; grey box, as pictures do that are like those of the training"
            yield "label-leaking", text + reading.few


def _method(reading: Reading, method: str) -> list[Entry]:
    """Entries of a method on the suite's own target, with exact gradients if it has any."""
    return [
        one
        for one in reading.own
        if one.budget["method"] == method and one.budget["through"] == "exact"
    ]


def _largest(entries: list[Entry]) -> list[Entry]:
    """Without those that differ from another in a smaller radius alone: those need not succeed."""
    return [
        one
        for one in entries
        if not any(
            other.but("eps") == one.but("eps") and other.number("eps") > one.number("eps")
            for other in entries
        )
    ]


def _through(reading: Reading, stand_in: str) -> list[Entry]:
    """Entries through a stand-in of the defence."""
    return [one for one in reading.entries if one.budget["through"] == stand_in]


def _exact_like(reading: Reading, entry: Entry, *keys: str) -> list[Entry]:
    """Entries with exact gradients that differ from one in some keys of the budget alone."""
    return [one for one in reading.entries if one.exact and one.but(*keys) == entry.but(*keys)]


CHECKS = (
    single_step_beats_iterative,
    more_steps_do_not_help,
    victim_survives,
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
