"""Values as YAML and JSON hold them."""

from fractions import Fraction
from typing import Any

Dict = dict[str, Any]


def number(value: str | float) -> float:
    """A number of the config: 0.5, or an exact fraction such as "8/255"."""
    return float(Fraction(value)) if isinstance(value, str) else float(value)
