"""Archives: finished files as a few tar files of limited size, for a machine that loses its disk.

They leave out adversarial sets and the state of unfinished trainings, which are too large. A file
that does not fit into the rest of an archive is cut, and goes on in the next one.
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
from atop.core.files import HOME, sha256, writing
from atop.experiment import paths
from atop.experiment.stages.training import Training
from atop.operations.timed_run.queue import Queue, inputs_of

SIZE = 15 * 2**20  # most bytes of an archive
COUNT = 8  # most archives

_BLOCK, _RECORD = tarfile.BLOCKSIZE, tarfile.RECORDSIZE
_HEADERS = 4 * _BLOCK  # of a member with a long name
_PIECE = re.compile(r"(.+)\.bytes-(\d+)-of-(\d+)-([0-9a-f]{16})")


class Piece(NamedTuple):
    """A file, or a part of a file, in an archive."""

    file: Path
    start: int
    stop: int


def pack(files: Iterable[list[Path]], folder: Path) -> list[Path]:
    """Write archives of some files into a folder; they replace those in it.

    Args:
        files: groups that are packed together or not at all, the most valuable first.
        folder: is created if it does not exist.

    Returns:
        The first of each group that did not fit.
    """
    archives, left_behind = _layout(files)
    folder.mkdir(parents=True, exist_ok=True)
    for number, pieces in enumerate(archives):
        with (
            writing(folder / f"archive-{number}.tar") as temporary,
            tarfile.open(temporary, "w", format=tarfile.GNU_FORMAT) as tar,
        ):
            for piece in pieces:
                _add(tar, piece)
    for number, path in _archives(folder).items():
        if number >= len(archives):
            path.unlink()
    return left_behind


def _layout(groups: Iterable[list[Path]]) -> tuple[list[list[Piece]], list[Path]]:
    """Pieces by archive, and the first file of each group that does not fit."""
    archives: list[list[Piece]] = []
    room, left_behind = 0, []
    for group in groups:
        more, left = _with(group, archives, room)
        if len(more) > COUNT:
            left_behind.append(group[0])
        else:
            archives, room = more, left
    return archives, left_behind


def _with(
    group: list[Path], archives: list[list[Piece]], room: int
) -> tuple[list[list[Piece]], int]:
    """Archives with more files, and the bytes that are left in the last one."""
    longer = [list(pieces) for pieces in archives]
    for file in group:
        start, size = 0, file.stat().st_size
        while start < size or not start:
            if room < _HEADERS + _BLOCK:
                longer.append([])
                room = SIZE - _RECORD
            stop = min(size, start + room - _HEADERS)
            longer[-1].append(Piece(file, start, stop))
            room -= _HEADERS + -(-(stop - start) // _BLOCK) * _BLOCK
            start = stop or 1  # an empty file has one piece too
    return longer, room


def _add(tar: tarfile.TarFile, piece: Piece) -> None:
    size = piece.file.stat().st_size
    with piece.file.open("rb") as source:
        source.seek(piece.start)
        content = source.read(piece.stop - piece.start)
    name = piece.file.relative_to(HOME).as_posix()
    if len(content) < size:
        name += f".bytes-{piece.start}-of-{size}-{sha256(piece.file)[:16]}"
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(content), int(piece.file.stat().st_mtime)
    tar.addfile(member, io.BytesIO(content))


class Unpacked(NamedTuple):
    """Files that were unpacked, and those of which a piece is missing."""

    complete: list[Path]
    incomplete: list[Path]


def unpack(folder: Path) -> Unpacked:
    """Unpack the archives of a folder into results/, except for files that are there.

    Raises:
        AtopError: an archive is broken, or has a file that does not belong into results/.
    """
    complete: list[Path] = []
    pieces: dict[tuple[Path, int, str], dict[int, bytes]] = {}
    for archive in _archives(folder).values():
        for name, content, changed in _members(archive):
            match = _PIECE.fullmatch(name)
            path = _inside(match[1] if match else name, archive)
            if path.exists():
                continue
            if match is None:
                _write(path, content, changed)
                complete.append(path)
                continue
            key = (path, int(match[3]), match[4])
            parts = pieces.setdefault(key, {})
            parts[int(match[2])] = content
            if joined := _joined(parts, size=key[1], digest=key[2]):
                _write(path, joined, changed)
                complete.append(path)
    return Unpacked(complete, sorted({path for path, *_ in pieces}.difference(complete)))


def _members(archive: Path) -> Iterator[tuple[str, bytes, int]]:
    """Names, contents and times of the files in an archive."""
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if (file := tar.extractfile(member)) is not None:
                    yield member.name, file.read(), int(member.mtime)
    except (tarfile.TarError, EOFError) as error:
        raise AtopError(f"{archive}: not a complete archive ({error}); copy it again") from error


def _inside(name: str, archive: Path) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or parts[0] != paths.RESULTS.name or ".." in parts:
        raise AtopError(f"{archive}: holds {name}, which does not belong into results/; delete it")
    return HOME.joinpath(*parts)


def _joined(parts: dict[int, bytes], *, size: int, digest: str) -> bytes | None:
    """A file from its pieces; None until all pieces are there."""
    content = b"".join(parts[start] for start in sorted(parts))
    correct = len(content) == size and hashlib.sha256(content).hexdigest()[:16] == digest
    return content if correct else None


def _write(path: Path, content: bytes, changed: int) -> None:
    with writing(path) as temporary:
        temporary.write_bytes(content)
        os.utime(temporary, (changed, changed))


def written(folder: Path) -> list[Path]:
    """The archives in a folder."""
    return list(_archives(folder).values())


def _archives(folder: Path) -> dict[int, Path]:
    """Archives in a folder by their numbers."""
    files = folder.glob("archive-*.tar") if folder.is_dir() else ()
    numbers = {path.stem.removeprefix("archive-"): path for path in files}
    return {int(text): path for text, path in sorted(numbers.items(), key=_order) if text.isdigit()}


def _order(item: tuple[str, Path]) -> tuple[int, str]:
    return len(item[0]), item[0]


def finished(queue: Queue) -> list[list[Path]]:
    """Finished files of a preset, the most valuable first.

    Records, then benchmarks and logs of commands, then weights that are still needed, then all
    other weights.
    """
    folder = paths.RESULTS / queue.preset.name
    records = [[path] for path in sorted((folder / "records").rglob("*.json"))]
    speeds = [path for path in paths.RESULTS.glob("benchmarks/*") if path.suffix != ".md"]
    small = sorted([*speeds, *paths.RESULTS.glob("logs/timed-run/*")])
    inputs = {path for task in queue.to_do() for path in inputs_of(task)}
    trained = [task for task in queue.tasks.values() if isinstance(task, Training)]
    here = [task for task in trained if task.file.exists() and task.metadata.exists()]
    ordered = sorted(here, key=lambda task: task.file not in inputs)
    weights = [[task.file, task.metadata] for task in ordered]
    return [*records, *([path] for path in small if path.is_file()), *weights]
