"""Suspicion as data: each check looks at one record and returns named findings.

After Carlini et al. (2019), Athalye et al. (2018a) and AutoAttack's flags. A check reads by target:
on a grey-box target a weaker attack that hurts more is transfer, on the whole defence it is a sign
of masked gradients. What a record lacks, such as an attack or the probe, raises no suspicion.
"""

from atop.results.checks import comparisons, convergence, gradients
from atop.results.checks.reading import Finding, Record, read

CHECKS = (*comparisons.CHECKS, *convergence.CHECKS, *gradients.CHECKS)


def findings(record: Record) -> list[Finding]:
    """All findings of a record, name and text, in the order of the checks."""
    reading = read(record)
    return [{"name": name, "text": text} for check in CHECKS for name, text in check(reading)]
