"""Finished files as a few tar files of limited size, for a machine that is lent without its disk.

Adversarial sets and the state of unfinished trainings do not travel: they are made again, or are
too large. A file that is too large for what is left of a bundle is cut and goes on in the next one.
"""

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from atop.core.errors import AtopError
from atop.core.files import sha256, writing
from atop.experiment import paths
from atop.operations.timed_run.queue import Command, Queue, Task

SIZE = 15 * 2**20  # bytes of a bundle, at most, so that they travel
COUNT = 8  # bundles, at most, so that they travel

_BLOCK, _RECORD = tarfile.BLOCKSIZE, tarfile.RECORDSIZE
_HEADERS = 4 * _BLOCK  # of a member with a long name
_PIECE = re.compile(r"(.+)\.bytes-(\d+)-of-(\d+)-([0-9a-f]{16})")


class Piece(NamedTuple):
    """A file, or a part of it, as it lies in a bundle."""

    file: Path
    start: int
    stop: int


def pack(files: Iterable[list[Path]], folder: Path) -> list[Path]:
    """Write bundles of some files into a folder, in place of those that lie there.

    Args:
        files: groups that travel together or not at all, the most valuable first.
        folder: is made if it is not there.

    Returns:
        The first of each group that did not fit.
    """
    bundles, left_behind = _layout(files)
    folder.mkdir(parents=True, exist_ok=True)
    for number, pieces in enumerate(bundles):
        with (
            writing(folder / f"bundle-{number}.tar") as temporary,
            tarfile.open(temporary, "w", format=tarfile.GNU_FORMAT) as tar,
        ):
            for piece in pieces:
                _add(tar, piece)
    for number, path in _bundles(folder).items():
        if number >= len(bundles):
            path.unlink()
    return left_behind


def _layout(groups: Iterable[list[Path]]) -> tuple[list[list[Piece]], list[Path]]:
    """Which piece goes into which bundle, and the first of each group that fits into none."""
    bundles: list[list[Piece]] = []
    room, left_behind = 0, []
    for group in groups:
        more, left = _with(group, bundles, room)
        if len(more) > COUNT:
            left_behind.append(group[0])
        else:
            bundles, room = more, left
    return bundles, left_behind


def _with(
    group: list[Path], bundles: list[list[Piece]], room: int
) -> tuple[list[list[Piece]], int]:
    """Bundles with some more files, and the bytes of room that the last one then has."""
    found = [list(one) for one in bundles]
    for file in group:
        start, size = 0, file.stat().st_size
        while start < size or not start:
            if room < _HEADERS + _BLOCK:
                found.append([])
                room = SIZE - _RECORD
            stop = min(size, start + room - _HEADERS)
            found[-1].append(Piece(file, start, stop))
            room -= _HEADERS + -(-(stop - start) // _BLOCK) * _BLOCK
            start = stop or 1  # an empty file has one piece too
    return found, room


def _add(tar: tarfile.TarFile, piece: Piece) -> None:
    size = piece.file.stat().st_size
    with piece.file.open("rb") as source:
        source.seek(piece.start)
        content = source.read(piece.stop - piece.start)
    name = piece.file.as_posix()
    if len(content) < size:
        name += f".bytes-{piece.start}-of-{size}-{sha256(piece.file)[:16]}"
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(content), int(piece.file.stat().st_mtime)
    tar.addfile(member, io.BytesIO(content))


class Unpacked(NamedTuple):
    """Files that came, and those of which a piece is missing."""

    came: list[Path]
    incomplete: list[Path]


def unpack(folder: Path) -> Unpacked:
    """Bring what bundles in a folder hold into results/, but for what is there.

    Raises:
        AtopError: a bundle is broken, or holds what does not belong into results/.
    """
    came: list[Path] = []
    pieces: dict[tuple[Path, int, str], dict[int, bytes]] = {}
    for bundle in _bundles(folder).values():
        for name, content, changed in _members(bundle):
            match = _PIECE.fullmatch(name)
            path = _inside(match[1] if match else name, bundle)
            if path.exists():
                continue
            if match is None:
                _write(path, content, changed)
                came.append(path)
                continue
            key = (path, int(match[3]), match[4])
            parts = pieces.setdefault(key, {})
            parts[int(match[2])] = content
            if whole := _joined(parts, size=key[1], digest=key[2]):
                _write(path, whole, changed)
                came.append(path)
    return Unpacked(came, sorted({path for path, *_ in pieces}.difference(came)))


def _members(bundle: Path) -> Iterator[tuple[str, bytes, int]]:
    """Names, contents and times of the files in a bundle."""
    try:
        with tarfile.open(bundle, "r:") as tar:
            for member in tar:
                if (file := tar.extractfile(member)) is not None:
                    yield member.name, file.read(), int(member.mtime)
    except (tarfile.TarError, EOFError) as error:
        raise AtopError(f"{bundle}: not a whole bundle ({error}); copy it again") from error


def _inside(name: str, bundle: Path) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or parts[0] != str(paths.RESULTS) or ".." in parts:
        raise AtopError(f"{bundle}: holds {name}, which does not belong into results/; delete it")
    return Path(*parts)


def _joined(parts: dict[int, bytes], *, size: int, digest: str) -> bytes | None:
    """The whole file, once all its pieces are there; None until then."""
    whole = b"".join(parts[start] for start in sorted(parts))
    if len(whole) != size or hashlib.sha256(whole).hexdigest()[:16] != digest:
        return None
    return whole


def _write(path: Path, content: bytes, changed: int) -> None:
    with writing(path) as temporary:
        temporary.write_bytes(content)
        os.utime(temporary, (changed, changed))


def written(folder: Path) -> list[Path]:
    """The bundles in a folder."""
    return list(_bundles(folder).values())


def _bundles(folder: Path) -> dict[int, Path]:
    """Bundles in a folder by their numbers."""
    found = folder.glob("bundle-*.tar") if folder.is_dir() else ()
    known = {path.stem.removeprefix("bundle-"): path for path in found}
    return {int(text): known[text] for text in sorted(known, key=len) if text.isdigit()}


def finished(queue: Queue) -> list[list[Path]]:
    """What travels of a preset, the most valuable first.

    Records, then what is known of speed and what commands said, then weights that are still needed,
    then all other weights.
    """
    ours = paths.RESULTS / queue.preset
    records = [[path] for path in sorted((ours / "records").rglob("*.json"))]
    measured = [path for path in paths.RESULTS.glob("benchmarks/*") if path.suffix != ".md"]
    told = [*measured, *paths.RESULTS.glob("logs/spend/*")]
    wanted = {path for task in queue.wanted() for path in queue.needs(task)}
    trained = [task for task in queue.tasks.values() if _is_whole_training(task)]
    needed = [task.file for task in trained if task.file in wanted]
    others = [task.file for task in trained if task.file not in wanted]
    weights = [[file, file.with_suffix(".json")] for file in (*needed, *others)]
    return [*records, *([path] for path in sorted(told) if path.is_file()), *weights]


def _is_whole_training(task: Task) -> bool:
    if isinstance(task, Command) or task.kind != "training":
        return False
    return task.file.exists() and task.account.exists()
