"""Values in YAML and JSON."""

from fractions import Fraction
from typing import Any

Dict = dict[str, Any]


def number(value: str | float) -> float:
    """Convert a number of the config: 0.5, or an exact fraction such as "8/255"."""
    return float(Fraction(value)) if isinstance(value, str) else float(value)
