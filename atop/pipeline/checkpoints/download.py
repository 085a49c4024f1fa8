"""Download of public weights: complete and verified, or not at all."""

import re
import shutil
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from atop.core import checkpoints
from atop.core.errors import AtopError
from atop.core.files import sha256, writing
from atop.experiment import config, paths, weight_files
from atop.experiment.settings.inputs import CheckpointSpec
from atop.pipeline.checkpoints import archives, hosts, robustbench_files


def fetch(name: str, *, folder: Path | None = None, offline: bool = False) -> Path:
    """Fetch a file of checkpoints.yaml, unless it is here, and verify it.

    Args:
        name: of its row; of a model of RobustBench without one, robustbench/DATASET/THREAT/ID.pt.
        folder: of the user's files, which are copied instead of downloaded.
        offline: ask no host.

    Returns:
        Its path under results/checkpoints/, or in an installed package.

    Raises:
        AtopError: it cannot be fetched, or the file is a different one.
    """
    row = robustbench_files.row(name) or config.checkpoint(name)
    path = paths.checkpoint_of(row)
    if row.package or path.exists():
        verify(path, row)
        return path
    place = place_of(row)
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        if not path.exists() and not _copied(row, path, folder, place):
            if offline:
                sought = (
                    f", and {folder} lacks {' or '.join(weight_files.names(row))}" if folder else ""
                )
                raise _unavailable(name, row, path, f"offline{sought}")
            _from_host(name, row, path, place)
    if row.sha256 is None:
        print(f"{path}: SHA-256 {sha256(path)}, to write into checkpoints.yaml")
    return path


def place_of(row: CheckpointSpec) -> Path:
    """The folder of a download in progress.

    Rows of the same archive or the same file share it and wait for each other.
    """
    source = (paths.archive_of(row) or _alike(row)[0]).relative_to(paths.CHECKPOINTS)
    return paths.RESULTS / "state" / "downloads" / str(source).replace("/", "--")


def named(file: str) -> str:
    """The name for `fetch` of a path under results/checkpoints/.

    Raises:
        AtopError: there is none.
    """
    files = {row.file: name for name, row in config.checkpoints().items()}
    if file in files:
        return str(files[file])
    if weight_files.ROBUSTBENCH.fullmatch(file):
        return file
    near = ", ".join(get_close_matches(file, filter(None, files), n=3, cutoff=0))
    raise AtopError(
        f"{config.folder()}/checkpoints.yaml: no row has the file '{file}'; nearest are {near}"
    )


def verify(path: Path, row: CheckpointSpec) -> None:
    """Check that a file fits its row and opens.

    Raises:
        AtopError: a web page, a different file, or one that would run code.
        BrokenError: truncated, or no weights.
    """
    if checkpoints.is_web_page(path):
        raise AtopError(f"{path}: a web page, not weights; delete it and run again")
    expected, size = row.bytes, path.stat().st_size
    if expected is not None and size != expected:
        raise checkpoints.BrokenError(
            f"{path}: {size} bytes, the config says {expected}; delete it and run again"
        )
    checkpoints.verify(path, row.sha256)
    checkpoints.read(path)


def _alike(row: CheckpointSpec) -> list[Path]:
    """Paths of a row's file, and of other rows with the same source."""
    others = (other for other in config.checkpoints().values() if not other.package)
    same = (each for each in (*others, row) if _origin(each) == _origin(row))
    return list(dict.fromkeys(map(paths.checkpoint_of, same)))


def _origin(row: CheckpointSpec) -> tuple[str, str | None]:
    return hosts.link(row), row.member


def _copied(row: CheckpointSpec, path: Path, folder: Path | None, place: Path) -> bool:
    """Copy the file, or extract it from its archive, if either is here; whether that worked."""
    here = next((path for path in _alike(row) if path.exists()), None)
    if copy := here or weight_files.find(weight_files.names(row), folder):
        verify(copy, row)
        with writing(path) as temporary:
            shutil.copyfile(copy, temporary)
        return True
    archive = paths.archive_of(row)
    if archive and not archive.exists():
        archive = weight_files.find([archive.name], folder)
    if archive:
        _unpack(archive, row, path, place)
    return archive is not None


def _from_host(name: str, row: CheckpointSpec, path: Path, place: Path) -> None:
    """Download; once more if the file is incomplete or does not continue an earlier part."""
    for last in (False, True):
        resumed = place.exists()
        try:
            _bring(row, path, place)
            return
        except hosts.UnreachableError as error:
            reason = str(error)
            if hosts.begun(place):
                reason += "; the part that came is kept, run again to go on"
            else:
                shutil.rmtree(place)
            raise _unavailable(name, row, path, reason) from error
        except AtopError as error:
            shutil.rmtree(place, ignore_errors=True)
            if last or not (resumed or isinstance(error, checkpoints.BrokenError)):
                raise _unavailable(name, row, path, str(error)) from error


def _bring(row: CheckpointSpec, path: Path, place: Path) -> None:
    file, archive = hosts.download(row, place), paths.archive_of(row)
    if archive is None:
        _settle(file.replace(place / path.name), row, path)
        shutil.rmtree(place)
        return
    archive.parent.mkdir(parents=True, exist_ok=True)
    file.replace(archive)
    try:
        _unpack(archive, row, path, place)
    except checkpoints.BrokenError:
        archive.unlink()
        raise


def _unpack(archive: Path, row: CheckpointSpec, path: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    try:
        archives.extract(archive, str(row.member), place / path.name)
        _settle(place / path.name, row, path)
    finally:
        shutil.rmtree(place)


def _settle(file: Path, row: CheckpointSpec, path: Path) -> None:
    """Move a file to its path if it fits its row."""
    verify(file, row)
    with writing(path) as temporary:
        file.replace(temporary)


def _unavailable(name: str, row: CheckpointSpec, path: Path, reason: str) -> AtopError:
    """The error of a failed download, with what the user can do instead."""
    reason = re.sub(rf"^{re.escape(str(paths.RESULTS))}/\S+: ", "", reason)
    for ending in ("; delete it and run again", "; fetch it again or correct the config"):
        reason = reason.removesuffix(ending)
    link, (best, *_) = hosts.link(row), weight_files.names(row)
    part = f"put {row.member} of it" if row.member else "put it"
    mend = f"download {link} in a browser and {part} at {path}, or as {best} into the folder of "
    mend += "--config files=FOLDER"
    if row.otherwise:
        mend += f", or {row.otherwise}"
    return AtopError(f"{name}: not to be had from {urlsplit(link).netloc} ({reason}); {mend}")
