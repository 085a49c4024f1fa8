"""Gradients and outputs themselves: what the probe, the attacks and AutoAttack saw of them."""

from atop.results.checks.reading import Found, Reading

MISMATCH = 0.01
"""Relative error of exact gradients against finite differences. RT1, RT2 and RT3 with the embedded
networks stay below 1e-6; BPDA's gradient is wrong by 0.3 and more."""


def unmoved_pictures(reading: Reading) -> Found:
    """A gradient of zero leaves pictures as they are.

    So does a search that found nothing: of restarts, after another attack, in AutoAttack.
    """
    for one in reading.entries:
        searches = one.budget["method"] == "autoattack" or "after" in one.budget
        moves = one.attacks and not searches and one.budget.get("restarts", 1) == 1
        if moves and one.budget.get("eps") and one.unmoved > 0:
            yield "zero-gradient", f"{one.name} left {one.unmoved:.1%} of pictures unchanged"


def probed(reading: Reading) -> Found:
    """What the probe of the whole defence found (atop/pipeline/evaluation/gradient_probe.py)."""
    probe = reading.probe
    few = f"of {probe.get('examples', 'the')} probed pictures"
    if share := probe.get("zero_gradient"):
        yield "zero-gradient", f"{share:.1%} {few} have no gradient of cross-entropy"
    if share := probe.get("nonfinite_gradient"):
        yield "nonfinite-gradient", f"{share:.1%} {few} have gradients that are not finite"
    if probe.get("probabilities"):
        yield "softmax-output", "outputs are probabilities: softmax twice masks gradients"
    if not probe.get("repeatable", True):  # and then differences compare two draws
        text = "one draw gives different logits each time: randomness that no attack here averages"
        yield "hidden-randomness", text
    elif (error := probe.get("finite_difference", 0)) > MISMATCH:
        yield "gradient-mismatch", f"exact gradients are off finite differences by {error:.1%}"


def flagged(reading: Reading) -> Found:
    """What AutoAttack's own checks object to, each once."""
    said: dict[str, list[str]] = {}
    for one in reading.entries:
        for flag in one.account.get("flags", ()):
            said.setdefault(flag, []).append(one.name)
    for flag, names in said.items():
        yield "autoattack-flag", f"{flag} ({', '.join(dict.fromkeys(names))})"


CHECKS = (unmoved_pictures, probed, flagged)
