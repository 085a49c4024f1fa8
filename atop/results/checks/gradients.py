"""Checks of gradients and outputs, as the probe, the attacks and AutoAttack measured them."""

from atop.results.checks.reading import Findings, Reading

MISMATCH = 0.01
"""Relative error of exact gradients against finite differences. RT1, RT2 and RT3 with the embedded
networks stay below 1e-6; BPDA's gradient is wrong by 0.3 and more."""


def unmoved_images(reading: Reading) -> Findings:
    """An attack left images unchanged, because their gradient is zero.

    A search that finds nothing also does so: restarts, an attack after another, AutoAttack.
    """
    for entry in reading.entries:
        searches = entry.budget["method"] == "autoattack" or "after" in entry.budget
        moves = entry.attacks and not searches and entry.budget.get("restarts", 1) == 1
        if moves and entry.budget.get("eps") and entry.unmoved > 0:
            yield "zero-gradient", f"{entry.name} left {entry.unmoved:.1%} of images unchanged"


def probed(reading: Reading) -> Findings:
    """The probe of the whole defence (atop/pipeline/evaluation/gradient_probe.py) failed."""
    probe = reading.probe
    images = f"of {probe.get('examples', 'the')} probed images"
    if share := probe.get("zero_gradient"):
        yield "zero-gradient", f"cross-entropy has no gradient for {share:.1%} {images}"
    if share := probe.get("nonfinite_gradient"):
        yield "nonfinite-gradient", f"gradients are not finite for {share:.1%} {images}"
    if probe.get("probabilities"):
        yield "softmax-output", "outputs are probabilities: a second softmax masks gradients"
    if not probe.get("repeatable", True):  # finite differences then compare two draws
        text = "the same draw gives different logits: no attack here averages this randomness"
        yield "hidden-randomness", text
    elif (error := probe.get("finite_difference", 0)) > MISMATCH:
        text = f"exact gradients differ from finite differences by {error:.1%}"
        yield "gradient-mismatch", text


def user_module(reading: Reading) -> Findings:
    """A module of the user's has what makes numbers depend on more than an image and a draw."""
    probe = reading.probe
    if probe.get("training"):
        yield "training-mode", "the module was in training mode, and was measured as it was given"
    if probe.get("batch"):
        yield "depends-on-batch", "the logits of an image depend on the other images of its batch"
    if probe.get("seeded"):
        text = "draws come from seeded global generators: all are different, but belong to a batch"
        yield "seeded-generators", text
    if "training" in probe and "finite_difference" not in probe:
        text = "gradients were not compared with finite differences: no float64, or no copy"
        yield "unchecked-gradient", text


def flagged(reading: Reading) -> Findings:
    """AutoAttack's own checks warned; each warning once."""
    entries: dict[str, list[str]] = {}
    for entry in reading.entries:
        for flag in entry.metadata.get("flags", ()):
            entries.setdefault(flag, []).append(entry.name)
    for flag, names in entries.items():
        yield "autoattack-flag", f"{flag} ({', '.join(dict.fromkeys(names))})"


CHECKS = (unmoved_images, probed, user_module, flagged)
