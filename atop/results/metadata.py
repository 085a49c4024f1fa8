"""JSON files of which the page needs certain keys."""

from pathlib import Path
from typing import Any

from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.core.values import Dict


def read(path: Path, *keys: str) -> Dict:
    """A JSON object with all of `keys`, such as "settings.budget".

    Raises:
        AtopError: no such file, no JSON, or no such key; names both.
    """
    content: Dict = read_json(path)
    for key in keys:
        inside: Any = content
        for name in key.split("."):
            if not isinstance(inside, dict) or name not in inside:
                raise AtopError(f"{path}: no {key}; delete it and run again")
            inside = inside[name]
    return content
