"""Atomic files: a file is complete or absent. Also hashes, and JSON."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atop.core.errors import AtopError

PACKAGE = Path(__file__).resolve().parents[1]
"""The code of this suite."""

CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "Snakefile").is_file() else None
"""The checkout that the code is in; None where the suite was installed from a wheel."""

ROOT = CHECKOUT or PACKAGE / "files"
"""The suite's own files, such as its config: the checkout, or copies in the wheel."""

HOME = Path(os.environ.get("ATOP_HOME", ""))
"""Folder of `results/` and `tables/`: ATOP_HOME, or the current folder."""


def provided(path: Path) -> Path:
    """Return a file or folder of the user's, or if there is none the suite's own of that name."""
    copy, own = layers(path)
    return copy if copy.exists() and not own.exists() else own


def layers(path: Path) -> tuple[Path, Path]:
    """Return the suite's own file or folder of a name, and the user's; both may be missing."""
    inside = path.relative_to(HOME) if path.is_relative_to(HOME) else path
    return ROOT / inside, HOME / inside


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` if the block succeeds.

    An interrupted or failed block leaves neither file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # safetensors makes files that only the owner can read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(paths: Iterable[Path], *, relative_to: Path) -> str:
    """Return the SHA-256 of names and contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(relative_to)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; keys keep their order, each list of numbers takes one line."""
    text = json.dumps(content, indent=1)
    text = re.sub(r"\[[\d\s,.eE+-]+\]", lambda match: " ".join(match[0].split()), text)
    with writing(path) as temporary:
        temporary.write_text(text + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; raise AtopError if the file is missing or damaged."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise AtopError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise AtopError(
            f"{path}: not readable as JSON ({error}); delete it and run again"
        ) from error
