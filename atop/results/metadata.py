"""JSON files of which the report page needs certain keys."""

from pathlib import Path
from typing import Any

from atop.core.errors import AtopError
from atop.core.files import read_json
from atop.core.values import Dict


def read(path: Path, *keys: str) -> Dict:
    """Load a JSON object that has all of `keys`, such as "settings.budget".

    Raises:
        AtopError: no such file, no JSON, or a key is missing; names both.
    """
    content: Dict = read_json(path)
    for key in keys:
        value: Any = content
        for name in key.split("."):
            if not isinstance(value, dict) or name not in value:
                raise AtopError(f"{path}: no {key}; delete it and run again")
            value = value[name]
    return content
