"""Checks of a record; each returns named findings: suspicion as data.

After Carlini et al. (2019), Athalye et al. (2018a) and AutoAttack's flags. The target decides what
a finding means: a weaker attack that lowers accuracy more is transfer on a grey-box target, but a
sign of masked gradients on the whole defence. A record without an attack or the probe that a check
needs raises no suspicion.
"""

from atop.results.checks import comparisons, convergence, gradients
from atop.results.checks.reading import Finding, Record, read

CHECKS = (*comparisons.CHECKS, *convergence.CHECKS, *gradients.CHECKS)


def findings(record: Record) -> list[Finding]:
    """Return all findings of a record, `name` and `text`, in the order of the checks."""
    reading = read(record)
    return [{"name": name, "text": text} for check in CHECKS for name, text in check(reading)]
